"""Opening what was sent as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PIXEL_LIMIT = 25_000_000
"""Pixels of a picture (width times height) beyond which it is not decoded."""

SIDE_LIMIT = 65_535
"""Pixels of one side, the most that zxing-cpp takes and that a JPEG can have."""

# Pillow knows many more, and hands some of them to other programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


class UnreadableError(Exception):
    """The bytes are not a picture that can be read."""


def open_picture(data: bytes, *, turn: bool) -> Image.Image:
    """Return the first frame as RGB with 8 bits a channel, on white where it was transparent.

    Args:
        data: a BMP, GIF, JPEG, PNG, TIFF or WebP file.
        turn: follow an EXIF orientation; else the pixels stay as they are stored.

    Raises:
        UnreadableError: it cannot be decoded, or is beyond `PIXEL_LIMIT` or `SIDE_LIMIT`.
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
    from PIL import Image

    if picture.mode.startswith("I"):
        return _from_16_bits(picture)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if picture.mode == "RGB":  # a copy of a large picture would take a tenth of the time of reading its codes
        picture.load()
        return picture
    return picture.convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Scale: Pillow would clip everything over 255 to white."""
    import numpy as np
    from PIL import Image

    pixels = np.clip(np.asarray(picture, dtype=np.int64), 0, 65_535) // 257
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
