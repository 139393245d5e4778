"""Reads codes with zxing-cpp, and refuses every picture for which several readings differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.answer_sources.traces import has_traces
from wxcv.endpoints.geometry import ImgSize, Point, Pos
from wxcv.endpoints.qrcode import CodeResult, QrcodeScan
from wxcv.images.pictures import flatten, open_picture, read_pixels
from wxcv.images.sources import image_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Set as AbstractSet

    from PIL import Image
    from zxingcpp import Barcode

    from wxcv.answer_sources.traces import Box

TYPE_NAMES = {
    "QRCode": "QR_CODE",
    "QRCodeModel2": "QR_CODE",
    "DataMatrix": "DATA_MATRIX",
    "PDF417": "PDF_417",
    "EAN13": "EAN_13",
    "UPCA": "EAN_13",
    "EAN8": "EAN_8",
    "UPCE": "UPC_E",
    "Code128": "CODE_128",
}
"""WeChat's names by zxing-cpp's, for the kinds of codes with mandatory error detection.

A UPC-A is an EAN-13 with a leading 0. WeChat is known to say QR_CODE, EAN_13 and CODE_128.
"""

_WITH_POS = {"QR_CODE", "DATA_MATRIX"}
_MARGIN = 0.05
_SMALL = 1_000_000
"""Pixels below which a picture is also read at twice its size, rather than at half of it."""

_PIXEL_LIMIT = 4_000_000
"""Pixels, width times height; a picture of more is not read.

Of a picture full of what looks like the corners of QR codes, the time of a reading grows almost with the
square of its pixels: at 4 megapixels it takes 6 s, and 0.4 s for a photo; at 12 megapixels it takes 40 s.
"""

_SIDE_LIMIT = 65_535
"""Maximum pixels of a side for zxing-cpp."""


def read_codes(
    name: str, data: bytes, accepted: AbstractSet[str], is_given_up: Callable[[], bool]
) -> QrcodeScan | None:
    """Return the codes of a picture, or None if there may be others, or one is in doubt.

    Args:
        name: for errors.
        data: the file.
        accepted: names of kinds of codes.
        is_given_up: asked after every reading; if it is true, no other begins and the result is None.

    Raises:
        ImageError: it cannot be decoded as a picture.
    """
    kind = image_type(data)
    if kind is None:
        return None
    with open_picture(name, data, kind) as source:
        if source.width * source.height > _PIXEL_LIMIT or max(source.size) > _SIDE_LIMIT:
            return None
        picture = flatten(read_pixels(name, source)).convert("L")
    codes = _read(picture, has_errors=False)
    if not codes or not all(_is_accepted(code, accepted) for code in codes):
        return None
    boxes = [_box(code) for code in codes]
    if is_given_up() or has_traces(picture, boxes):
        return None
    if not _is_confirmed(picture, codes, boxes, is_given_up):
        return None
    width, height = picture.size
    return QrcodeScan(tuple(_code_result(code, width, height) for code in codes), ImgSize(width, height))


def _read(picture: Image.Image, *, has_errors: bool, is_global: bool = False) -> list[Barcode]:
    from zxingcpp import Binarizer, TextMode, read_barcodes  # noqa: PLC0415 - the extra may be missing

    return read_barcodes(
        picture,
        text_mode=TextMode.Plain,
        binarizer=Binarizer.GlobalHistogram if is_global else Binarizer.LocalAverage,
        return_errors=has_errors,
    )


def _type_name(code: Barcode) -> str | None:
    return TYPE_NAMES.get(code.format.name)


def _is_accepted(code: Barcode, accepted: AbstractSet[str]) -> bool:
    """Return whether a code is of an accepted kind, and its text is unambiguous.

    How WeChat treats bytes that are not UTF-8, and GS1's separators, is not known.
    """
    is_plain = all(character >= " " or character in "\t\r\n" for character in code.text)
    is_utf8 = code.bytes == code.text.encode("utf-8", "surrogatepass")
    return bool(code.text) and is_plain and is_utf8 and _type_name(code) in accepted


def _box(code: Barcode) -> Box:
    corners = _corners(code)
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    margin = max(2.0, _MARGIN * max(max(xs) - min(xs), max(ys) - min(ys)))
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def _corners(code: Barcode) -> list[tuple[int, int]]:
    place = code.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return [(corner.x, corner.y) for corner in corners]


def _readings(picture: Image.Image) -> Iterator[tuple[float, list[Barcode]]]:
    """Yield scales and the codes that are read at them, including candidates with errors."""
    from PIL.Image import Resampling  # noqa: PLC0415 - the extra may be missing

    yield 1.0, _read(picture, has_errors=True)
    yield 1.0, _read(picture, has_errors=True, is_global=True)
    scale = 2.0 if picture.width * picture.height < _SMALL else 0.5
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if max(width, height) <= _SIDE_LIMIT:
        yield scale, _read(picture.resize((width, height), Resampling.BICUBIC), has_errors=True)


def _is_confirmed(
    picture: Image.Image, codes: list[Barcode], boxes: list[Box], is_given_up: Callable[[], bool]
) -> bool:
    """Return whether no other reading has a further code, not even one with errors, or a different text."""

    def is_known(candidate: Barcode, scale: float) -> bool:
        return any(_is_same(candidate, code, box, scale) for code, box in zip(codes, boxes, strict=True))

    for scale, candidates in _readings(picture):
        if is_given_up() or not all(is_known(candidate, scale) for candidate in candidates):
            return False
    return True


def _is_same(candidate: Barcode, code: Barcode, box: Box, scale: float) -> bool:
    corners = _corners(candidate)
    x, y = (sum(numbers) / len(corners) / scale for numbers in zip(*corners, strict=True))
    left, top, right, bottom = box
    if not (left <= x <= right and top <= y <= bottom):
        return False
    return not candidate.valid or (candidate.text, candidate.format) == (code.text, code.format)


def _code_result(code: Barcode, width: int, height: int) -> CodeResult:
    name = TYPE_NAMES[code.format.name]
    if name not in _WITH_POS:
        return CodeResult(name, code.text)
    points = [Point(min(max(x, 0), width - 1), min(max(y, 0), height - 1)) for x, y in _corners(code)]
    return CodeResult(name, code.text, Pos(*points))
