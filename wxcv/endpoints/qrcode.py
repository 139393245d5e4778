"""The endpoint for QR codes and barcodes.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.geometry import ImgSize, Pos, add_pos, add_size
from wxcv.endpoints.readers import read_rows, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@attrs.frozen(repr=False)
class CodeResult(Answer):
    """One code in the image.

    Attributes:
        type_name: the kind of code in WeChat's spelling, such as "QR_CODE" or "EAN_13"; WeChat may add more.
        data: the decoded content.
        pos: its corners, or None: WeChat returns them for QR codes and DataMatrix only.
    """

    type_name: str
    data: str
    pos: Pos | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CodeResult:
        """Read one row of ``code_results``."""
        return cls(
            read_text(fields, "type_name"), read_text(fields, "data"), Pos.from_dict(fields.get("pos"))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        return add_pos({"type_name": self.type_name, "data": self.data}, self.pos)


@attrs.frozen(repr=False)
class QrcodeScan(Answer):
    """The answer of ``scan_qrcode``.

    Attributes:
        code_results: the codes in WeChat's order, which is not by position; empty if none was found.
        img_size: the size of the image, or None if WeChat returned none.
    """

    code_results: tuple[CodeResult, ...] = ()
    img_size: ImgSize | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> QrcodeScan:
        """Read WeChat's JSON."""
        codes = tuple(map(CodeResult.from_dict, read_rows(fields, "code_results")))
        return cls(codes, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return add_size({"code_results": [code.to_dict() for code in self.code_results]}, self.img_size)


def _table(scan: QrcodeScan) -> Iterator[tuple[str, str]]:
    yield from ((code.type_name, code.data) for code in scan.code_results)


SCAN_QRCODE = Endpoint(
    "scan_qrcode",
    "/cv/img/qrcode",
    QrcodeScan.from_dict,
    table=_table,
    summary="Read QR codes, barcodes, DataMatrix and PDF417.",
)
