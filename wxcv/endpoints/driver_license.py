"""Driver's licences.

Listed in https://developers.weixin.qq.com/doc/service/en/guide/product/Intelligent_Interface/ocr.html
"""

from __future__ import annotations

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, personal, table


@attrs.frozen(repr=False)
class DriverLicense(Document):
    """The answer of ``driver_license``.

    Attributes:
        id_num: the number of the licence.
        name, sex, nationality, address, birth_date: of the holder.
        issue_date: of the first licence.
        car_class: the kinds of vehicles, such as "C1".
        valid_from, valid_to: dates.
        official_seal: the text of the seal.
    """

    id_num: str | None = personal()
    name: str | None = personal()
    sex: str | None = personal()
    nationality: str | None = personal()
    address: str | None = personal()
    birth_date: str | None = personal()
    issue_date: str | None = personal()
    car_class: str | None = personal()
    valid_from: str | None = personal()
    valid_to: str | None = personal()
    official_seal: str | None = personal()


DRIVER_LICENSE = Endpoint(
    "driver_license",
    "/cv/ocr/drivinglicense",
    DriverLicense.from_dict,
    is_personal=True,
    table=table,
    summary="Read a driver's licence.",
)
