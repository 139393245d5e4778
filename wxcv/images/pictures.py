"""Opens pictures with Pillow: the header first, the pixels when they are needed."""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wxcv.errors import ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from wxcv.masking import class_name

if TYPE_CHECKING:
    from collections.abc import Callable

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

_ORIENTATIONS = range(2, 9)
_HEAVY = (
    1_000_000  # pixels whose colours are counted at a time, as Pillow holds the interpreter's lock meanwhile
)


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

    16 bits a channel become 8, CMYK and other colour spaces RGB.

    Raises:
        ImageTooLargeError: by its header it has `PIXEL_LIMIT` pixels or more; nothing was decoded.
        UnreadableImageError: it cannot be decoded.
        UnsupportedImageError: its pixels are floating-point numbers.
    """
    width, height = picture.size
    if width * height >= PIXEL_LIMIT:
        raise ImageTooLargeError(name, width * height, PIXEL_LIMIT, "pixels")
    if picture.mode == "F":
        raise UnsupportedImageError(
            name, "its pixels are floating-point numbers; convert it to 8 bits a channel"
        )
    try:
        return _simplify(_load_unturned(picture))
    except Exception as error:  # noqa: BLE001 - a broken file makes Pillow raise anything
        failure = class_name(error)
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
        return picture.convert("I").point(lambda value: value / 257 + 0.5).convert("L")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        is_opaque = layer.getchannel("A").getextrema() == (255, 255)
        return layer.convert("RGB") if is_opaque else layer
    return picture if picture.mode in {"1", "L", "RGB"} else picture.convert("RGB")


def flatten(picture: Image.Image) -> Image.Image:
    """Return a picture in mode L or RGB; transparency becomes black if the picture is light, else white."""
    from PIL import Image, ImageChops, ImageStat  # noqa: PLC0415 - the extra may be missing

    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode != "RGBA":
        return picture
    alpha = picture.getchannel("A")
    brightness = ImageStat.Stat(ImageChops.multiply(picture.convert("L"), alpha)).mean[0]
    is_light = brightness > ImageStat.Stat(alpha).mean[0] / 2
    background = Image.new("RGBA", picture.size, "black" if is_light else "white")
    return Image.alpha_composite(background, picture).convert("RGB")


def has_few_colours(picture: Image.Image, most: int = 256) -> bool:
    """Return whether a picture has at most ``most`` colours."""
    rows = max(1, _HEAVY // picture.width)
    colours: set[object] = set()
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        counted = strip.getcolors(most)
        if counted is None:
            return False
        colours.update(colour for _, colour in counted)
        if len(colours) > most:
            return False
    return True
