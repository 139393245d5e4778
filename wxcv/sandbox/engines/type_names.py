"""The names of the kinds of codes: `type_name` in an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import zxingcpp

READ = (
    "Aztec",
    "Codabar",
    "Code128",
    "Code39Std",
    "Code93",
    "DXFilmEdge",
    "DataBar",
    "DataMatrix",
    "EANUPC",
    "ITF",
    "MaxiCode",
    "PDF417",
    "QRCode",
    "Telepen",
)
"""The formats that zxing-cpp looks for, each with its variants.

Of Code 39 only the standard variant is read, whose data are the encoded characters. The others are guesses:
zxing-cpp would read `LOT/B12` as `LOT"12` (full ASCII) and `0CSSBD` as `A012345676` (an Italian pharmacode).
"""

TYPE_NAMES = {
    "Aztec": "AZTEC",
    "AztecCode": "AZTEC",
    "AztecRune": "AZTEC",
    "Codabar": "CODABAR",
    "Code128": "CODE_128",
    "Code32": "CODE_39",
    "Code39": "CODE_39",
    "Code39Ext": "CODE_39",
    "Code39Std": "CODE_39",
    "Code93": "CODE_93",
    "CompactPDF417": "PDF_417",
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
    "EAN2": "UPC_EAN_EXTENSION",
    "EAN5": "UPC_EAN_EXTENSION",
    "EAN8": "EAN_8",
    "EANUPC": "EAN_13",
    "ISBN": "EAN_13",
    "ITF": "ITF",
    "ITF14": "ITF",
    "MaxiCode": "MAXICODE",
    "MicroPDF417": "MICRO_PDF_417",
    "MicroQRCode": "MICRO_QR_CODE",
    "OtherBarcode": "OTHER",
    "PDF417": "PDF_417",
    "PZN": "CODE_39",
    "QRCode": "QR_CODE",
    "QRCodeModel1": "QR_CODE",
    "QRCodeModel2": "QR_CODE",
    "RMQRCode": "RMQR_CODE",
    "Telepen": "TELEPEN",
    "TelepenAlpha": "TELEPEN",
    "TelepenNumeric": "TELEPEN",
    "UPCA": "UPC_A",
    "UPCE": "UPC_E",
}
"""All type names of the sandbox, by zxing-cpp's name of the format.

WeChat is known to return `QR_CODE`, `EAN_13` and `CODE_128`. The other names are spelled as in ZXing, and
those that ZXing does not have, such as `TELEPEN`, in the same style. A UPC-A is read as the equivalent
EAN-13, with a leading 0, and the data of a UPC-E are the 13 digits that it encodes.
"""


def type_name(barcode: zxingcpp.Barcode) -> str:
    """Return the name of a code's format, or of its family for a variant that only a newer zxing-cpp knows.

    Raises:
        KeyError: the table has neither, which does not happen for the formats in `READ`.
    """
    return TYPE_NAMES.get(barcode.format.name) or TYPE_NAMES[barcode.symbology.name]
