"""ID cards of the People's Republic of China.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_idcardocr
The query parameter ``type`` ("photo": with background, "scan": the card only) is in older pages and in the
notes of this one, not in its table.
"""

from __future__ import annotations

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, personal, plain, table


@attrs.frozen(repr=False)
class Idcard(Document):
    """The answer of ``idcard``: the front has the person's data, the back its dates of validity.

    Attributes:
        type: "Front" or "Back".
        name, id, addr, gender, nationality: of the front.
        valid_date: of the back.
    """

    type: str | None = plain()
    name: str | None = personal()
    id: str | None = personal()
    addr: str | None = personal()
    gender: str | None = personal()
    nationality: str | None = personal()
    valid_date: str | None = personal()


IDCARD = Endpoint(
    "idcard",
    "/cv/ocr/idcard",
    Idcard.from_dict,
    query_fields=("type",),
    is_personal=True,
    table=table,
    summary="Read an ID card.",
)
