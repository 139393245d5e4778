"""Bank cards.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_bankcardocr
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, personal, table
from wxcv.endpoints.readers import read_optional_text

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(repr=False)
class Bankcard(Document):
    """The answer of ``bankcard``.

    Attributes:
        number: the card's number. The documentation's table calls it ``number``, both of its samples ``id``:
            either is read.
    """

    number: str | None = personal()

    @classmethod
    def _read(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        number = read_optional_text(fields, "number")
        return {"number": read_optional_text(fields, "id") if number is None else number}


BANKCARD = Endpoint(
    "bankcard",
    "/cv/ocr/bankcard",
    Bankcard.from_dict,
    is_personal=True,
    table=table,
    summary="Read a bank card.",
)
