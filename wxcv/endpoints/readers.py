"""Readers of the fields of WeChat's JSON; each raises one of SHAPE_ERRORS for an impossible value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float

SHAPE_ERRORS = (TypeError, ValueError, KeyError, AttributeError)


def read_number(value: object) -> Number:
    """Return a finite number."""
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
    """Return the text of that name; a missing or null one is empty."""
    value = fields.get(name, "")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise TypeError(f"{name} is not a string")


def read_optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None for a missing or null one; a whole number becomes a text."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise TypeError(f"{name} is not a string")


def format_number(value: Number) -> str:
    """Return a number as the command line prints it."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def read_optional_number(fields: Mapping[str, Any], name: str) -> Number | None:
    """Return a number, or None for a missing, null or blank one; a text that is a number becomes one."""
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return read_number(float(value) if isinstance(value, str) else value)
