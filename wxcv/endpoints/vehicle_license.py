"""Vehicle licences; WeChat's path calls them "driving".

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
class VehicleLicense(Document):
    """The answer of ``vehicle_license``.

    Attributes:
        plate_num, vehicle_type, owner, addr, use_character, model, vin, engine_num: of the first page.
        register_date, issue_date: dates of the first page.
        plate_num_b, record, passengers_num, total_quality, prepare_quality: of the second page; the last two
            are weights with their unit, such as "2700kg".
        overall_size: length, width and height. This and the next three are in the page's sample only, not in
            its table.
        card_position_front, card_position_back: the corners of the two pages.
        img_size: the image's size.
    """

    plate_num: str | None = personal()
    vehicle_type: str | None = personal()
    owner: str | None = personal()
    addr: str | None = personal()
    use_character: str | None = personal()
    model: str | None = personal()
    vin: str | None = personal()
    engine_num: str | None = personal()
    register_date: str | None = personal()
    issue_date: str | None = personal()
    plate_num_b: str | None = personal()
    record: str | None = personal()
    passengers_num: str | None = personal()
    total_quality: str | None = personal()
    prepare_quality: str | None = personal()
    overall_size: str | None = personal()
    card_position_front: Pos | None = None
    card_position_back: Pos | None = None
    img_size: ImgSize | None = None

    @classmethod
    def _read(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        return super()._read(fields) | {
            "card_position_front": Pos.from_nested(fields.get("card_position_front")),
            "card_position_back": Pos.from_nested(fields.get("card_position_back")),
            "img_size": ImgSize.from_dict(fields.get("img_size")),
        }


VEHICLE_LICENSE = Endpoint(
    *("vehicle_license", "/cv/ocr/driving", VehicleLicense.from_dict),
    is_personal=True,
    table=table,
    summary="Read a vehicle licence.",
)
