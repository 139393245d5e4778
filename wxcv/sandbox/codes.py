"""Reading codes with zxing-cpp.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.sandbox.pictures import open_picture
from wxcv.sandbox.reading import Reading, pos

if TYPE_CHECKING:
    import zxingcpp

    from wxcv.sandbox.choices import Choices

# Only QR_CODE, EAN_13 and CODE_128 are attested; the others are spelled the way ZXing spells them.
TYPE_NAMES = {
    "Aztec": "AZTEC",
    "Codabar": "CODABAR",
    "Code128": "CODE_128",
    "Code39": "CODE_39",
    "Code39Ext": "CODE_39",
    "Code39Std": "CODE_39",
    "Code93": "CODE_93",
    "DXFilmEdge": "DX_FILM_EDGE",
    "DataBar": "RSS_14",
    "DataBarExp": "RSS_EXPANDED",
    "DataBarExpStk": "RSS_EXPANDED",
    "DataBarLtd": "RSS_14",
    "DataBarOmni": "RSS_14",
    "DataBarStk": "RSS_14",
    "DataBarStkOmni": "RSS_14",
    "DataMatrix": "DATA_MATRIX",
    "EAN13": "EAN_13",
    "EAN8": "EAN_8",
    "ITF": "ITF",
    "MaxiCode": "MAXICODE",
    "MicroPDF417": "MICRO_PDF_417",
    "MicroQRCode": "MICRO_QR_CODE",
    "PDF417": "PDF_417",
    "QRCode": "QR_CODE",
    "RMQRCode": "RMQR_CODE",
    "UPCA": "UPC_A",
    "UPCE": "UPC_E",
}

_WITH_POS = {"QR_CODE", "DATA_MATRIX"}


def read_codes(data: bytes, choices: Choices) -> Reading:
    """Read all codes of a picture.

    Raises:
        UnreadableError: the bytes are not a picture that can be read.
    """
    import zxingcpp

    picture = open_picture(data, turn=choices.exif == "apply").convert("L")
    barcodes = list(zxingcpp.read_barcodes(picture))
    if choices.code_order == "reading":
        barcodes.sort(key=_top_then_left)
    return Reading(found=[_code_result(barcode) for barcode in barcodes], size=picture.size)


def _code_result(barcode: zxingcpp.Barcode) -> dict[str, object]:
    kind = barcode.format.name
    result: dict[str, object] = {"type_name": TYPE_NAMES.get(kind, kind.upper()), "data": barcode.text}
    if result["type_name"] in _WITH_POS:
        result["pos"] = pos(_corners(barcode))
    return result


def _corners(barcode: zxingcpp.Barcode) -> list[tuple[int, int]]:
    place = barcode.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return [(corner.x, corner.y) for corner in corners]


def _top_then_left(barcode: zxingcpp.Barcode) -> tuple[int, int]:
    corners = _corners(barcode)
    return min(y for _, y in corners), min(x for x, _ in corners)
