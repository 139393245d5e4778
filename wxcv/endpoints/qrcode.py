"""QR codes and barcodes.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.geometry import ImgSize, Pos, with_pos, with_size
from wxcv.endpoints.readers import rows, text
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@attrs.frozen(repr=False)
class CodeResult(Value):
    """One code in the image.

    Attributes:
        type_name: the kind of code in WeChat's spelling ("QR_CODE", "EAN_13", ...); an open set.
        data: what the code says.
        pos: the corners, or None: WeChat gives them for QR codes and DataMatrix only.
    """

    type_name: str
    data: str
    pos: Pos | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CodeResult:
        """Read one row of ``code_results``."""
        return cls(text(fields, "type_name"), text(fields, "data"), Pos.from_dict(fields.get("pos")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        return with_pos({"type_name": self.type_name, "data": self.data}, self.pos)


@attrs.frozen(repr=False)
class QrcodeScan(Value):
    """The answer of ``scan_qrcode``.

    Attributes:
        code_results: the codes in WeChat's order, which is no order of places; empty if none was found.
        img_size: the image's size, or None if WeChat did not say.
    """

    code_results: tuple[CodeResult, ...] = ()
    img_size: ImgSize | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> QrcodeScan:
        """Read WeChat's JSON."""
        codes = tuple(map(CodeResult.from_dict, rows(fields, "code_results")))
        return cls(codes, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return with_size({"code_results": [code.to_dict() for code in self.code_results]}, self.img_size)


def _table(scan: QrcodeScan) -> Iterator[tuple[str, str]]:
    yield from ((code.type_name, code.data) for code in scan.code_results)
    if not scan.code_results:
        yield "codes", "(none found)"


SCAN_QRCODE = Endpoint("scan_qrcode", "/cv/img/qrcode", QrcodeScan.from_dict, table=_table)
