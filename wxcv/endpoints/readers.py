"""Read the fields of WeChat's JSON; each function raises one of SHAPE_ERRORS for an unusable value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float

SHAPE_ERRORS = (TypeError, ValueError, KeyError, AttributeError)


def read_number(value: object) -> Number:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise TypeError(f"expected a number, not {type(value).__name__}")


def read_rows(fields: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list of that name; an empty one if it is missing or null."""
    rows = fields.get(name)
    if rows is None:
        return []
    if isinstance(rows, list):
        return rows
    raise TypeError(f"{name} is not a list")


def read_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise TypeError(f"{name} is not a string")
