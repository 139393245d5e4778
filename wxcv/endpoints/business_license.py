"""Business licences.

Listed in https://developers.weixin.qq.com/doc/service/en/guide/product/Intelligent_Interface/ocr.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, personal, table
from wxcv.endpoints.geometry import ImgSize, Pos

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(repr=False)
class BusinessLicense(Document):
    """The answer of ``business_license``; WeChat returns only the fields that the picture has.

    Attributes:
        reg_num: registration number.
        serial: serial number.
        legal_representative: name of the legal representative.
        enterprise_name: name of the enterprise.
        type_of_organization, type_of_enterprise: kinds.
        address: place of business.
        business_scope: what the enterprise does.
        registered_capital, paid_in_capital: amounts as printed.
        valid_period, registered_date: as printed.
        cert_position: the corners of the licence.
        img_size: the image's size.
    """

    reg_num: str | None = personal()
    serial: str | None = personal()
    legal_representative: str | None = personal()
    enterprise_name: str | None = personal()
    type_of_organization: str | None = personal()
    address: str | None = personal()
    type_of_enterprise: str | None = personal()
    business_scope: str | None = personal()
    registered_capital: str | None = personal()
    paid_in_capital: str | None = personal()
    valid_period: str | None = personal()
    registered_date: str | None = personal()
    cert_position: Pos | None = None
    img_size: ImgSize | None = None

    @classmethod
    def _read(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        return super()._read(fields) | {
            "cert_position": Pos.from_nested(fields.get("cert_position")),
            "img_size": ImgSize.from_dict(fields.get("img_size")),
        }


BUSINESS_LICENSE = Endpoint(
    *("business_license", "/cv/ocr/bizlicense", BusinessLicense.from_dict),
    is_personal=True,
    table=table,
    summary="Read a business licence.",
)
