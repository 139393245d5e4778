"""Enlarged pictures.

Page: https://developers.weixin.qq.com/miniprogram/dev/server/API/img-ocr/img/api_imgsuperresolution
It says that the service was withdrawn for maintenance, and whom to ask.
"""

from __future__ import annotations

import attrs

from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.documents import Document, plain, table


@attrs.frozen(repr=False)
class Superresolution(Document):
    """The answer of ``superresolution``.

    Attributes:
        media_id: the id of the picture of twice the size, which WeChat keeps as temporary media for 3 days.
    """

    media_id: str | None = plain()


SUPERRESOLUTION = Endpoint(
    *("superresolution", "/cv/img/superresolution", Superresolution.from_dict),
    table=table,
    summary="Make a picture of twice the size; prints its media_id.",
)
