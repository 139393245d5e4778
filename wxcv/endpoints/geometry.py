"""Positions and sizes as WeChat's answers give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.readers import number
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.endpoints.readers import Number


@attrs.frozen(repr=False)
class Point(Value):
    """A point in pixels from the top left of the image as sent; int or float as WeChat gave it."""

    x: Number
    y: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Point:
        """Read ``{"x": ..., "y": ...}``."""
        x, y = fields["x"], fields["y"]
        if type(x) is int and type(y) is int:  # as in every answer that was ever seen
            return cls(x, y)
        return cls(number(x), number(y))

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return {"x": self.x, "y": self.y}


@attrs.frozen(repr=False)
class Pos(Value):
    """The four corners of a code or a line of text: any quadrilateral, in the order of the code's corners."""

    left_top: Point
    right_top: Point
    right_bottom: Point
    left_bottom: Point

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> Pos | None:
        """Read the four corners; None for a missing pos, a null one, and one whose numbers are all -1."""
        if not fields:
            return None
        point = Point.from_dict
        pos = cls(
            point(fields["left_top"]),
            point(fields["right_top"]),
            point(fields["right_bottom"]),
            point(fields["left_bottom"]),
        )
        return None if pos.left_top.x == -1 and pos == _NOWHERE else pos

    def to_dict(self) -> dict[str, dict[str, Number]]:
        """Return WeChat's JSON shape."""
        return {
            "left_top": self.left_top.to_dict(),
            "right_top": self.right_top.to_dict(),
            "right_bottom": self.right_bottom.to_dict(),
            "left_bottom": self.left_bottom.to_dict(),
        }


# A sibling service of Tencent answers -1 where there is no position.
_NOWHERE = Pos(Point(-1, -1), Point(-1, -1), Point(-1, -1), Point(-1, -1))


@attrs.frozen(repr=False)
class ImgSize(Value):
    """Width and height of the image in pixels, as WeChat saw it."""

    w: Number
    h: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> ImgSize | None:
        """Read ``{"w": ..., "h": ...}``; None when missing or null."""
        return cls(number(fields["w"]), number(fields["h"])) if fields else None

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return {"w": self.w, "h": self.h}


def with_size(answer: dict[str, Any], img_size: ImgSize | None) -> dict[str, Any]:
    if img_size is not None:
        answer["img_size"] = img_size.to_dict()
    return answer


def with_pos(row: dict[str, Any], pos: Pos | None) -> dict[str, Any]:
    if pos is not None:
        row["pos"] = pos.to_dict()
    return row
