"""Positions and sizes in WeChat's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.readers import Number, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(repr=False)
class Point(Answer):
    """A point in pixels from the top left of the image as sent; int or float as in WeChat's answer."""

    x: Number
    y: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Point:
        """Read ``{"x": ..., "y": ...}``."""
        x, y = fields["x"], fields["y"]
        if type(x) is int and type(y) is int:  # as in every known answer
            return cls(x, y)
        return cls(read_number(x), read_number(y))

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return {"x": self.x, "y": self.y}

    def scaled(self, x: float, y: float) -> Point:
        """Return the point in a picture that is so many times as wide and as high.

        A number stands for the middle of its pixel; whole numbers stay whole.
        """
        return Point(
            round_like(self.x, (self.x + 0.5) * x - 0.5), round_like(self.y, (self.y + 0.5) * y - 0.5)
        )


def round_like(given: Number, value: float) -> Number:
    """Return a value as an int if the number that it replaces is one."""
    return round(value) if isinstance(given, int) else value


@attrs.frozen(repr=False)
class Pos(Answer):
    """The four corners of a code or a line of text, not necessarily a rectangle.

    ``left_top`` is the code's own top left corner, so that a rotated code has a rotated Pos.
    """

    left_top: Point
    right_top: Point
    right_bottom: Point
    left_bottom: Point

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> Pos | None:
        """Read the four corners; return None if pos is missing or null, or if all its numbers are -1."""
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

    @classmethod
    def from_nested(cls, fields: Mapping[str, Any] | None) -> Pos | None:
        """Read ``{"pos": {...}}``, as in WeChat's samples of documents, or the four corners themselves."""
        return cls.from_dict(fields.get("pos", fields) if fields else None)

    def to_dict(self) -> dict[str, dict[str, Number]]:
        """Return WeChat's JSON shape."""
        return {
            "left_top": self.left_top.to_dict(),
            "right_top": self.right_top.to_dict(),
            "right_bottom": self.right_bottom.to_dict(),
            "left_bottom": self.left_bottom.to_dict(),
        }

    def scaled(self, x: float, y: float) -> Pos:
        """Return the corners in a picture that is so many times as wide and as high."""
        return Pos(
            self.left_top.scaled(x, y),
            self.right_top.scaled(x, y),
            self.right_bottom.scaled(x, y),
            self.left_bottom.scaled(x, y),
        )


# A related service of Tencent returns -1 where there is no position.
_NOWHERE = Pos(Point(-1, -1), Point(-1, -1), Point(-1, -1), Point(-1, -1))


@attrs.frozen(repr=False)
class ImgSize(Answer):
    """The width and height of the image in pixels, as WeChat decoded it."""

    w: Number
    h: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> ImgSize | None:
        """Read ``{"w": ..., "h": ...}``; return None if it is missing or null."""
        return cls(read_number(fields["w"]), read_number(fields["h"])) if fields else None

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return {"w": self.w, "h": self.h}

    def scaled(self, x: float, y: float) -> ImgSize:
        """Return the size of a picture that is so many times as wide and as high."""
        return ImgSize(round_like(self.w, self.w * x), round_like(self.h, self.h * y))


def add_size(answer: dict[str, Any], img_size: ImgSize | None) -> dict[str, Any]:
    if img_size is not None:
        answer["img_size"] = img_size.to_dict()
    return answer


def add_pos(row: dict[str, Any], pos: Pos | None) -> dict[str, Any]:
    if pos is not None:
        row["pos"] = pos.to_dict()
    return row
