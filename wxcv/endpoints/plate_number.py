"""Number plates of vehicles.

No current page of WeChat's describes it; path and field are known from other client libraries only.
"""

from __future__ import annotations

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, personal, table


@attrs.frozen(repr=False)
class PlateNumber(Document):
    """The answer of ``plate_number``.

    Attributes:
        number: the number on the plate.
    """

    number: str | None = personal()


PLATE_NUMBER = Endpoint(
    "plate_number",
    "/cv/ocr/platenum",
    PlateNumber.from_dict,
    is_personal=True,
    table=table,
    summary="Read a number plate.",
)
