"""Draws numbered boxes over a picture with Pillow (extra: ``fit``); it draws no text but digits."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from wxcv.cli.files import replace_file
from wxcv.cli.running import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image, ImageDraw

    import wxcv

KINDS = {".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG"}
"""The kinds of files that can be written, by suffix."""

_OPENED = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The formats that are opened; Pillow knows more, and runs other programs for some of them."""

_PIXEL_LIMIT = 100_000_000
_ORIENTATION = 0x0112
_EXCHANGED = 5
"""The first of the orientations that exchange width and height."""

_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""The names of Pillow's transpositions, by the orientation that they apply."""

_LEAST_FONT, _LEAST_LINE = 12, 2  # pixels; in larger pictures, the shorter side divided by these:
_FONTS_A_SIDE, _LINES_A_SIDE = 40, 300


class DrawingError(Exception):
    """The picture could not be opened, drawn on or saved; the text says why, without naming the picture."""


@attrs.frozen
class Box:
    """A box.

    Attributes:
        number: the number that is drawn beside it.
        colour: the colour of its lines, as Pillow takes it, such as "#c00000".
        pos: its corners in the answer.
        img_size: the size of the picture according to the answer, or None.
    """

    number: int
    colour: str
    pos: wxcv.Pos
    img_size: wxcv.ImgSize | None


def draw_boxes(image: str, copy_path: str, boxes: Iterable[Box]) -> None:
    """Write a copy of a picture with boxes to ``copy_path``, whose suffix is one of `KINDS`.

    The copy is upright: an EXIF orientation is applied. Positions are taken to be in pixels as stored in the
    file, unless the answer's ``img_size`` is that of the upright picture only. Of a picture with several
    frames the first is used; what is transparent becomes white; metadata are left out.

    Raises:
        DrawingError: the picture has 100,000,000 pixels or more, or cannot be opened, or the copy cannot be
            written; what was at ``copy_path`` is left as it was.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of large pictures and broken metadata
        pixels, orientation = _open_upright(image)
        try:
            _draw(pixels, orientation, boxes)
        except Exception as error:  # noqa: BLE001 - of a Pillow without fonts, or without memory
            raise DrawingError(f"the boxes cannot be drawn ({type(error).__name__})") from None
        _save(pixels, copy_path)


def _open_upright(image: str) -> tuple[Image.Image, int]:
    """Return the picture in RGB, turned by its orientation, and the orientation."""
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    Image.init()
    is_small, failure = True, ""
    try:
        with Image.open(image, formats=[kind for kind in _OPENED if kind in Image.OPEN]) as picture:
            is_small = picture.width * picture.height < _PIXEL_LIMIT
            if is_small:
                return _read_upright(picture)
    except Image.DecompressionBombError:
        is_small = False
    except Exception as error:  # noqa: BLE001 - a broken file makes Pillow raise anything
        failure = type(error).__name__
    if not is_small:
        raise DrawingError(f"the picture is too large to draw boxes on: {_PIXEL_LIMIT:,} pixels or more")
    raise DrawingError(f"Pillow cannot open the picture ({failure}); convert it to PNG or JPEG")


def _read_upright(picture: Image.Image) -> tuple[Image.Image, int]:
    from PIL.Image import Transpose  # noqa: PLC0415 - the extra may be missing

    orientation = _read_orientation(picture)
    pixels = _as_rgb(picture)
    if picture.format == "TIFF" or orientation not in _TURNS:  # Pillow turns a TIFF itself
        return pixels, orientation
    return pixels.transpose(Transpose[_TURNS[orientation]]), orientation


def _read_orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, or 1 if there is none; call it before the pixels are read."""
    try:
        value = picture.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - broken metadata makes Pillow raise anything
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _as_rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    picture.load()
    if picture.mode.startswith("I"):  # 0 to 65,535; a plain conversion would turn all over 255 white
        picture = picture.convert("I").point(lambda value: value / 257 + 0.5).convert("L")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    pixels = picture.convert("RGB")
    pixels.info.clear()  # it may hold a colour profile of the former mode
    return pixels


def _draw(pixels: Image.Image, orientation: int, boxes: Iterable[Box]) -> None:
    from PIL import ImageDraw, ImageFont  # noqa: PLC0415 - the extra may be missing

    draw, side = ImageDraw.Draw(pixels), min(pixels.size)
    draw.font = ImageFont.load_default(max(_LEAST_FONT, side // _FONTS_A_SIDE))
    line = max(_LEAST_LINE, side // _LINES_A_SIDE)
    for box in boxes:
        corners = _upright_corners(box, orientation, pixels.size)
        # Not a polygon: with wide lines each would cost a mask of the size of the picture.
        draw.line([*corners, *corners[:2]], fill=box.colour, width=line, joint="curve")
        _draw_number(draw, pixels.size, box, corners, line)


def _draw_number(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: Box,
    corners: list[tuple[float, float]],
    margin: int,
) -> None:
    """Draw the number to the left of the box, at its top, within the picture."""
    text = str(box.number)
    _, _, right, bottom = draw.textbbox((0, 0), text, anchor="lt")
    width, height = right + 2 * margin, bottom + 2 * margin
    x = max(0, min(min(x for x, _ in corners) - width, size[0] - width))
    y = max(0, min(*(y for _, y in corners), size[1] - height))
    draw.rectangle((x, y, x + width, y + height), fill=box.colour)
    draw.text((x + margin, y + margin), text, fill="white", anchor="lt")


def _upright_corners(box: Box, orientation: int, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Return the corners in pixels of the upright picture, of which ``size`` is the width and height.

    Coordinates are limited to three times the picture's longer side.
    """
    farthest = 3 * max(size)
    if orientation >= _EXCHANGED:
        is_upright = box.img_size is not None and (box.img_size.w, box.img_size.h) == size
        orientation, size = (1, size) if is_upright and size[0] != size[1] else (orientation, size[::-1])
    corners = (box.pos.left_top, box.pos.right_top, box.pos.right_bottom, box.pos.left_bottom)
    bounded = [[max(-farthest, min(value, farthest)) for value in (corner.x, corner.y)] for corner in corners]
    return [_turn(x, y, orientation, size) for x, y in bounded]


def _turn(x: float, y: float, orientation: int, size: tuple[int, int]) -> tuple[float, float]:
    """Return where a point of the stored picture, of that width and height, is in the upright one."""
    across, down = size[0] - 1 - x, size[1] - 1 - y
    turned = {2: (across, y), 3: (across, down), 4: (x, down), 5: (y, x), 6: (down, x), 7: (down, across)}
    return turned.get(orientation, (y, across) if orientation == max(_TURNS) else (x, y))


def _save(pixels: Image.Image, copy_path: str) -> None:
    kind = KINDS[Path(copy_path).suffix.lower()]
    options: dict[str, Any] = {"quality": 90} if kind == "JPEG" else {}
    try:
        with replace_file(copy_path, 0o666) as file:
            pixels.save(file, kind, **options)
    except OSError as error:
        reason = describe(error)
    except Exception as error:  # noqa: BLE001 - Pillow's, such as of a picture that the format cannot hold
        reason = type(error).__name__
    else:
        return
    raise DrawingError(f"the boxes cannot be written to {copy_path}: {reason}")
