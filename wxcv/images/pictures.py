"""Opens pictures with Pillow: the header first, the pixels when they are needed."""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wxcv.errors import ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from wxcv.masking import class_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image
    from PIL.ImageFile import ImageFile

PIXEL_LIMIT = 100_000_000
"""Pixels (width times height) that a picture must stay below to be decoded."""

_PLUGINS = {
    "image/jpeg": ("Jpeg", "JPEG"),
    "image/png": ("Png", "PNG"),
    "image/gif": ("Gif", "GIF"),
    "image/bmp": ("Bmp", "BMP"),
    "image/webp": ("WebP", "WEBP"),
    "image/tiff": ("Tiff", "TIFF"),
    "image/avif": ("Avif", "AVIF"),
    "image/heic": ("Heif", "HEIF"),
}
ORIENTATION = 0x0112
"""The tag of the EXIF orientation."""

_FAX = {"tiff_ccitt", "group3", "group4", "tiff_raw_16"}
"""Pillow's names of compressions; libtiff writes a line on stderr for every line of a fax that is damaged."""

_ORIENTATIONS = range(2, 9)
_STRIP = 1_000_000
"""Pixels of a strip."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""


def require_packages(what: str, extra: str, **packages: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        what: the function or class that needs them, for the message.
        extra: the name of the extra.
        packages: the names of the packages, by the names of their modules.

    Raises:
        ImportError: a package is missing; the message has the command that installs it.
    """
    missing = [package for module, package in packages.items() if not _is_installed(module)]
    if missing:
        raise ImportError(
            f"{what} needs {' and '.join(missing)} from the extra {extra}: "
            f'python -m pip install "wxcv[{extra}]"'
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def open_picture(name: str, data: bytes, kind: str) -> ImageFile:
    """Read the header of a picture.

    It does not use Pillow's ``Image.open``, which warns about pictures of 90 megapixels: that warning can
    only be changed for the whole process.

    Args:
        name: the name of the image, for errors.
        data: the bytes of the file.
        kind: its content type, by the first bytes.

    Raises:
        UnsupportedImageError: this Pillow cannot open files of that kind.
        UnreadableImageError: the header is broken.
    """
    plugin = _plugin(kind)
    if plugin is None:
        raise UnsupportedImageError(
            name, f"the installed Pillow cannot open {kind}; convert it to JPEG or PNG, or install a plug-in"
        )
    try:
        return plugin(io.BytesIO(data), "")
    except Exception as error:  # noqa: BLE001 - a broken file makes Pillow raise anything
        failure = class_name(error)
    raise _unreadable(name, failure)


def _plugin(kind: str) -> Callable[[io.BytesIO, str], ImageFile] | None:
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    module, registered = _PLUGINS[kind]
    if kind == "image/jpeg":  # what is registered reads the other pictures of a file with several
        from PIL.JpegImagePlugin import JpegImageFile  # noqa: PLC0415 - the same

        return JpegImageFile
    if find_spec(f"PIL.{module}ImagePlugin"):
        import_module(f"PIL.{module}ImagePlugin")
    return Image.OPEN[registered][0] if registered in Image.OPEN else None


def _unreadable(name: str, failure: str) -> UnreadableImageError:
    return UnreadableImageError(
        name, f"the picture cannot be decoded ({failure}); is the file damaged or cut off? Save it again"
    )


def read_orientation(picture: ImageFile) -> int:
    """Return the EXIF orientation, 1 to 8, or 1 if there is none; call it before the pixels are read."""
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    try:
        if picture.format == "TIFF":
            value = picture.tag_v2.get(ORIENTATION)  # type: ignore[attr-defined] # of a TIFF
        else:
            exif = Image.Exif()
            exif.load(picture.info.get("exif", b""))
            value = exif.get(ORIENTATION)
    except Exception:  # noqa: BLE001 - broken metadata makes Pillow raise anything
        return 1
    return value if isinstance(value, int) and value in _ORIENTATIONS else 1


def stored_size(picture: ImageFile) -> tuple[int, int]:
    """Return width and height in pixels, as stored."""
    is_turned = picture.format == "TIFF" and read_orientation(picture) > 4  # noqa: PLR2004 - half of the eight
    width, height = picture.size
    return (height, width) if is_turned else (width, height)


def read_pixels(name: str, picture: ImageFile) -> Image.Image:
    """Return the first frame as stored, not turned by its orientation, in mode 1, L, RGB or RGBA.

    16 bits a channel become 8, CMYK and other colour spaces RGB. Unless it is returned itself, the picture is
    closed, which frees its memory.

    Raises:
        ImageTooLargeError: by its header it has `PIXEL_LIMIT` pixels or more; nothing was decoded.
        UnreadableImageError: it cannot be decoded.
        UnsupportedImageError: its pixels are floating-point numbers, or a TIFF has a fax compression.
    """
    width, height = picture.size
    if width * height >= PIXEL_LIMIT:
        raise ImageTooLargeError(name, width * height, PIXEL_LIMIT, "pixels")
    if picture.mode == "F":
        raise UnsupportedImageError(
            name, "its pixels are floating-point numbers; convert it to 8 bits a channel"
        )
    if picture.format == "TIFF" and picture.info.get("compression") in _FAX:
        raise UnsupportedImageError(name, "a TIFF of a fax compression (CCITT); save it as PNG")
    try:
        pixels = _simplify(_load_unturned(picture))
        if pixels is not picture:
            picture.close()
    except Exception as error:  # noqa: BLE001 - a broken file makes Pillow raise anything
        failure = class_name(error)
    else:
        return pixels
    raise _unreadable(name, failure)


def _load_unturned(picture: ImageFile) -> Image.Image:
    """Read the pixels as stored, and undo the rotation that Pillow applies to those of a TIFF."""
    from PIL.Image import Transpose  # noqa: PLC0415 - the extra may be missing

    orientation = read_orientation(picture)
    picture.load()
    if picture.format != "TIFF" or orientation == 1:
        return picture
    undo = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_90,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_270,
    }
    return picture.transpose(undo[orientation])


def _simplify(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 0 to 65,535; a plain conversion would turn all over 255 white
        return _grey(picture)
    if picture.has_transparency_data:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        is_opaque = all(part.getchannel("A").getextrema() == (255, 255) for _, part in strips(layer))
        return layer.convert("RGB") if is_opaque else layer
    return picture if picture.mode in {"1", "L", "RGB"} else picture.convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    grey = Image.new("L", picture.size)
    for box, part in strips(picture):
        grey.paste(part.convert("I").point(lambda value: value / 257 + 0.5).convert("L"), box)
    return grey


def strips(picture: Image.Image) -> Iterator[tuple[Box, Image.Image]]:
    """Yield the parts of a picture from top to bottom with their places, of at most 1,000,000 pixels each.

    For what holds the interpreter's lock while it works, as much of Pillow does: between two parts other
    threads go on.
    """
    columns = min(picture.width, _STRIP)
    rows = _STRIP // columns
    for top in range(0, picture.height, rows):
        for left in range(0, picture.width, columns):
            right, bottom = min(left + columns, picture.width), min(top + rows, picture.height)
            yield (left, top, right, bottom), picture.crop((left, top, right, bottom))


def flatten(picture: Image.Image) -> Image.Image:
    """Return a picture in mode L or RGB; transparency becomes black if the picture is light, else white."""
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode != "RGBA":
        return picture
    colour = "black" if _is_light(picture) else "white"
    flat = Image.new("RGB", picture.size)
    for box, part in strips(picture):
        background = Image.new("RGBA", part.size, colour)
        flat.paste(Image.alpha_composite(background, part).convert("RGB"), box)
    return flat


def _is_light(picture: Image.Image) -> bool:
    """Tell whether what can be seen of a transparent picture is rather light than dark."""
    from PIL import ImageChops, ImageStat  # noqa: PLC0415 - the extra may be missing

    brightness = opacity = 0.0
    for _, part in strips(picture):
        alpha = part.getchannel("A")
        brightness += ImageStat.Stat(ImageChops.multiply(part.convert("L"), alpha)).sum[0]
        opacity += ImageStat.Stat(alpha).sum[0]
    return brightness > opacity / 2


def has_few_colours(picture: Image.Image, most: int = 256) -> bool:
    """Return whether a picture has at most ``most`` colours."""
    colours: set[object] = set()
    for _, part in strips(picture):
        counted = part.getcolors(most)
        if counted is None:
            return False
        colours.update(colour for _, colour in counted)
        if len(colours) > most:
            return False
    return True
