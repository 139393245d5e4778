"""The endpoint for printed text.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr
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
class TextItem(Answer):
    """One line of text.

    Attributes:
        text: the characters of the line.
        pos: its corners, or None if WeChat returned none.
    """

    text: str
    pos: Pos | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TextItem:
        """Read one row of ``items``."""
        return cls(read_text(fields, "text"), Pos.from_dict(fields.get("pos")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        return add_pos({"text": self.text}, self.pos)


@attrs.frozen(repr=False)
class PrintedText(Answer):
    """The answer of ``printed_text``.

    Attributes:
        items: the lines in WeChat's order, which is not strictly from top to bottom; empty if none was found.
        img_size: the size of the image, or None if WeChat returned none.
    """

    items: tuple[TextItem, ...] = ()
    img_size: ImgSize | None = None

    @property
    def text(self) -> str:
        """The lines joined by newlines."""
        return "\n".join(item.text for item in self.items)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> PrintedText:
        """Read WeChat's JSON."""
        items = tuple(map(TextItem.from_dict, read_rows(fields, "items")))
        return cls(items, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return add_size({"items": [item.to_dict() for item in self.items]}, self.img_size)


def _table(page: PrintedText) -> Iterator[tuple[str, str]]:
    yield from (("text", item.text) for item in page.items)


PRINTED_TEXT = Endpoint(
    "printed_text", "/cv/ocr/comm", PrintedText.from_dict, table=_table, summary="Read printed text."
)
