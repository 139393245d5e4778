"""Opens images as Pillow pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PIXEL_LIMIT = 25_000_000
"""Maximum pixels of a picture (width times height)."""

SIDE_LIMIT = 65_535
"""Maximum pixels of a side: the limit of zxing-cpp and of JPEG."""

# Pillow supports many more, and runs other programs for some of them.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


class UnreadableError(Exception):
    """The bytes are not a picture that can be read."""


def open_picture(data: bytes, *, turn: bool) -> Image.Image:
    """Return the first frame as opaque RGB with 8 bits per channel.

    A picture with transparency gets a black background if it is light, and a white one if it is dark or
    completely transparent, so that light text remains readable. It is light if its average brightness,
    weighted by opacity, is over half of white's.

    Args:
        data: a BMP, GIF, JPEG, PNG, TIFF or WebP file.
        turn: whether to apply an EXIF orientation; else the pixels stay as they are stored.

    Raises:
        UnreadableError: it cannot be decoded, or exceeds `PIXEL_LIMIT` or `SIDE_LIMIT`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height <= PIXEL_LIMIT and max(picture.size) <= SIDE_LIMIT:
                if turn:
                    ImageOps.exif_transpose(picture, in_place=True)
                return _as_rgb(picture)
    except Exception as error:
        # A broken file makes Pillow raise anything from SyntaxError to struct.error.
        raise UnreadableError from error
    raise UnreadableError("too many pixels")


def _as_rgb(picture: Image.Image) -> Image.Image:

    if picture.mode.startswith("I"):
        return _from_16_bits(picture)
    if picture.has_transparency_data:
        return _on_contrast(picture.convert("RGBA"))
    if picture.mode == "RGB":  # a copy of a large picture would take a tenth of the time of reading its codes
        picture.load()
        return picture
    return picture.convert("RGB")


def _on_contrast(layer: Image.Image) -> Image.Image:
    """Put an RGBA picture on black or white, whichever contrasts more with its visible part."""
    from PIL import Image, ImageChops, ImageStat

    alpha = layer.getchannel("A")
    brightness = ImageChops.multiply(layer.convert("L"), alpha)
    is_light = ImageStat.Stat(brightness).mean[0] > ImageStat.Stat(alpha).mean[0] / 2
    background = Image.new("RGBA", layer.size, "black" if is_light else "white")
    return Image.alpha_composite(background, layer).convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255: Pillow would clip everything over 255 to white."""
    return picture.convert("I").point(lambda value: value / 257 + 0.5).convert("RGB")
