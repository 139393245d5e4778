"""ID cards of the People's Republic of China.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_idcardocr
The query parameter ``type`` ("photo": with background, "scan": the card only) is in older pages and in the
notes of this one, not in its table.
"""

from __future__ import annotations

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, hide, personal, table


def _show_side(value: object) -> str:
    return repr(value) if value in {"Front", "Back"} else hide(value)


@attrs.frozen(repr=False)
class Idcard(Document):
    """The answer of ``idcard``: the front has the person's data, the back its dates of validity.

    Attributes:
        type: "Front" or "Back".
        name, id, addr, gender, nationality: as printed on the front.
        valid_date: the period of validity, as printed on the back.
    """

    type: str | None = attrs.field(default=None, repr=_show_side, metadata={"is_text": True})
    name: str | None = personal()
    id: str | None = personal()
    addr: str | None = personal()
    gender: str | None = personal()
    nationality: str | None = personal()
    valid_date: str | None = personal()


def type_field(kind: str) -> dict[str, str]:
    """Return the extra field for a kind of picture.

    Raises:
        ValueError: it is neither "photo" nor "scan".
    """
    if kind not in {"photo", "scan"}:
        raise ValueError('type must be "photo" or "scan"')
    return {"type": kind}


IDCARD = Endpoint(
    "idcard",
    "/cv/ocr/idcard",
    Idcard.from_dict,
    query_fields=("type",),
    is_personal=True,
    table=table,
    summary="Read an ID card.",
)
