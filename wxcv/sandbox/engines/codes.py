"""Reads codes with zxing-cpp.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.sandbox.engines.detection import Detection, pos
from wxcv.sandbox.engines.pictures import open_picture
from wxcv.sandbox.engines.type_names import READ, type_name

if TYPE_CHECKING:
    import zxingcpp

    from wxcv.sandbox.wechat.choices import Choices

_WITH_POS = {"QR_CODE", "DATA_MATRIX"}


def read_codes(data: bytes, choices: Choices) -> Detection:
    """Read all codes of a picture.

    Raises:
        UnreadableError: the bytes are not a picture that can be read.
    """
    import zxingcpp

    picture = open_picture(data, turn=choices.exif == "apply").convert("L")
    mode = zxingcpp.TextMode.HRI if choices.code_text == "hri" else zxingcpp.TextMode.Plain
    barcodes = zxingcpp.read_barcodes(picture, formats=_formats(), text_mode=mode)
    if choices.code_order == "reading":
        barcodes.sort(key=_top_then_left)
    found = [_code_result(barcode, picture.size, choices) for barcode in barcodes]
    return Detection(found=found, size=picture.size)


def _formats() -> zxingcpp.BarcodeFormats:
    import zxingcpp

    return zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in READ])


def _code_result(barcode: zxingcpp.Barcode, size: tuple[int, int], choices: Choices) -> dict[str, object]:
    data = barcode.bytes.decode("utf-8", "replace") if choices.code_text == "utf-8" else barcode.text
    result: dict[str, object] = {"type_name": type_name(barcode), "data": data}
    if result["type_name"] in _WITH_POS:
        result["pos"] = pos(_corners(barcode), size)
    return result


def _corners(barcode: zxingcpp.Barcode) -> list[tuple[int, int]]:
    place = barcode.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return [(corner.x, corner.y) for corner in corners]


def _top_then_left(barcode: zxingcpp.Barcode) -> tuple[int, int]:
    corners = _corners(barcode)
    return min(y for _, y in corners), min(x for x, _ in corners)
