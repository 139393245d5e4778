"""The endpoint for printed text.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.geometry import ImgSize, Pos, add_pos, add_size
from wxcv.endpoints.readers import read_rows, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wxcv.endpoints.readers import Number

_FARTHEST = 10**9
"""Pixels; a coordinate beyond it is taken for it, so that none is too large to be added to another one."""


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

    @property
    def rows(self) -> tuple[str, ...]:
        """The text in reading order: rows from top to bottom, in each the items from left to right.

        The texts of a row are joined by a space. Going down by the middle of the items, an item is in the
        same row as the one before it if it overlaps the first item of that row vertically by at least half of
        the smaller height; otherwise it begins a row. What counts of a rotated item is the upright rectangle
        around its corners. Items without ``pos`` come last, a row each, in WeChat's order. Columns are not
        told apart. The time is that of sorting the items.
        """
        boxes = [_box_of(item.text, item.pos) for item in self.items if item.pos is not None]
        rows: list[list[_Box]] = []
        for box in sorted(boxes, key=attrgetter("middle")):
            if rows and box.is_beside(rows[-1][0]):
                rows[-1].append(box)
            else:
                rows.append([box])
        texts = [" ".join(box.text for box in sorted(row, key=attrgetter("left"))) for row in rows]
        return (*texts, *(item.text for item in self.items if item.pos is None))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> PrintedText:
        """Read WeChat's JSON."""
        items = tuple(map(TextItem.from_dict, read_rows(fields, "items")))
        return cls(items, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return add_size({"items": [item.to_dict() for item in self.items]}, self.img_size)


class _Box(NamedTuple):
    """The upright rectangle around an item, in pixels, and the item's text."""

    middle: Number
    left: Number
    top: Number
    bottom: Number
    text: str

    def is_beside(self, other: _Box) -> bool:
        """Return whether the vertical overlap is at least half of the smaller height."""
        overlap = min(self.bottom, other.bottom) - max(self.top, other.top)
        return 2 * overlap >= min(self.bottom - self.top, other.bottom - other.top)


def _box_of(text: str, pos: Pos) -> _Box:
    corners = (pos.left_top, pos.right_top, pos.right_bottom, pos.left_bottom)
    heights = [max(-_FARTHEST, min(corner.y, _FARTHEST)) for corner in corners]
    top, bottom = min(heights), max(heights)
    return _Box((top + bottom) / 2, min(corner.x for corner in corners), top, bottom, text)


def _table(page: PrintedText) -> Iterator[tuple[str, str]]:
    yield from (("text", item.text) for item in page.items)


PRINTED_TEXT = Endpoint(
    "printed_text", "/cv/ocr/comm", PrintedText.from_dict, table=_table, summary="Read printed text."
)
