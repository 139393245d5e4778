"""What WeChat answers, as frozen values in WeChat's own field names.

Pages: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
and https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr

Unknown fields are ignored. ``from_dict`` raises one of SHAPE_ERRORS for a shape that
cannot be what the page describes; ``wxcv.answers`` turns it into a ProtocolError.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float

SHAPE_ERRORS = (TypeError, ValueError, KeyError, AttributeError)


def _number(value: object) -> Number:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise TypeError(f"a number is needed, not {type(value).__name__}")


def _rows(fields: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list of that name; a missing or null one is empty."""
    rows = fields.get(name)
    if rows is None:
        return []
    if isinstance(rows, list):
        return rows
    raise TypeError(f"{name} is not a list")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise TypeError(f"{name} is not a string")


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
        return cls(_number(x), _number(y))

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


# A sibling service of Tencent writes -1 where there is no position.
_NOWHERE = Pos(Point(-1, -1), Point(-1, -1), Point(-1, -1), Point(-1, -1))


@attrs.frozen(repr=False)
class ImgSize(Value):
    """Width and height of the image in pixels, as WeChat saw it."""

    w: Number
    h: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> ImgSize | None:
        """Read ``{"w": ..., "h": ...}``; None when missing or null."""
        return cls(_number(fields["w"]), _number(fields["h"])) if fields else None

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return {"w": self.w, "h": self.h}


def _with_size(answer: dict[str, Any], img_size: ImgSize | None) -> dict[str, Any]:
    if img_size is not None:
        answer["img_size"] = img_size.to_dict()
    return answer


def _with_pos(row: dict[str, Any], pos: Pos | None) -> dict[str, Any]:
    if pos is not None:
        row["pos"] = pos.to_dict()
    return row


@attrs.frozen(repr=False)
class CodeResult(Value):
    """One code in the image.

    Attributes:
        type_name: the kind of code in WeChat's spelling ("QR_CODE", "EAN_13", ...); an open set.
        data: what the code says.
        pos: the corners, or None: WeChat gives them for QR codes and DataMatrix only.
    """

    type_name: str
    data: str
    pos: Pos | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CodeResult:
        """Read one row of ``code_results``."""
        return cls(_text(fields, "type_name"), _text(fields, "data"), Pos.from_dict(fields.get("pos")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        return _with_pos({"type_name": self.type_name, "data": self.data}, self.pos)


@attrs.frozen(repr=False)
class QrcodeScan(Value):
    """The answer of ``scan_qrcode``.

    Attributes:
        code_results: the codes in WeChat's order, which is no order of places; empty if none was found.
        img_size: the image's size, or None if WeChat did not say.
    """

    code_results: tuple[CodeResult, ...] = ()
    img_size: ImgSize | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> QrcodeScan:
        """Read WeChat's JSON."""
        rows = tuple(map(CodeResult.from_dict, _rows(fields, "code_results")))
        return cls(rows, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return _with_size({"code_results": [code.to_dict() for code in self.code_results]}, self.img_size)


@attrs.frozen(repr=False)
class TextItem(Value):
    """One line of text and its corners, or None where WeChat gave none."""

    text: str
    pos: Pos | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TextItem:
        """Read one row of ``items``."""
        return cls(_text(fields, "text"), Pos.from_dict(fields.get("pos")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        return _with_pos({"text": self.text}, self.pos)


@attrs.frozen(repr=False)
class PrintedText(Value):
    """The answer of ``printed_text``.

    Attributes:
        items: the lines in WeChat's order, which is not strictly from top to bottom; empty if none was found.
        img_size: the image's size, or None if WeChat did not say.
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
        rows = tuple(map(TextItem.from_dict, _rows(fields, "items")))
        return cls(rows, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return _with_size({"items": [item.to_dict() for item in self.items]}, self.img_size)


@attrs.frozen(repr=False)
class AccessToken(Value):
    """A token and its life; its repr hides the value and it refuses to be pickled.

    Attributes:
        value: secret.
        expires_in: seconds of life left when it was answered.
        kind: which kind of credential it came from, such as "stable".
    """

    value: str = attrs.field(repr=False)
    expires_in: float
    kind: str = ""

    def __reduce__(self) -> NoReturn:
        raise TypeError("an AccessToken holds a secret and is not pickled; take its value yourself")
