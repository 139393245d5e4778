"""Menus of restaurants.

Listed in https://developers.weixin.qq.com/doc/service/en/guide/product/Intelligent_Interface/ocr.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.readers import Number, format_number, read_optional_number, read_optional_text, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@attrs.frozen(repr=False)
class MenuItem(Answer):
    """One dish, and its price as a number without currency; None where WeChat gave none."""

    name: str | None = None
    price: Number | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> MenuItem:
        """Read one row of ``menu_items``."""
        return cls(read_optional_text(fields, "name"), read_optional_number(fields, "price"))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape."""
        row = {"name": self.name, "price": self.price}
        return {name: value for name, value in row.items() if value is not None}


@attrs.frozen(repr=False)
class Menu(Answer):
    """The answer of ``menu``.

    Attributes:
        menu_items: the dishes. The page's table has them in an object ``content``, its sample in a JSON
            string of that name: both are read.
    """

    menu_items: tuple[MenuItem, ...] = ()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Menu:
        """Read WeChat's JSON."""
        content = fields.get("content")
        if isinstance(content, str):
            content = json.loads(content, strict=False) if content.strip() else None
        return cls(tuple(map(MenuItem.from_dict, read_rows(content or {}, "menu_items"))))

    @classmethod
    def json_types(cls) -> dict[str, Any]:
        """Return the types of the members of the JSON in WeChat's table."""
        return {"content": super().json_types()}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON shape of WeChat's table, without errcode and errmsg."""
        return {"content": {"menu_items": [item.to_dict() for item in self.menu_items]}}


def _table(menu: Menu) -> Iterator[tuple[str, str]]:
    yield from (
        (item.name or "", "" if item.price is None else format_number(item.price)) for item in menu.menu_items
    )


MENU = Endpoint("menu", "/cv/ocr/menu", Menu.from_dict, table=_table, summary="Read a menu.")
