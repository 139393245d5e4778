"""Validators for the fields of credentials; an error names the field and never shows its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wxcv import checks

if TYPE_CHECKING:
    import attrs


def plain(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Validate a field as ``checks.plain`` does."""
    checks.plain(field.name, value)


def flag(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.flag(field.name, value)


def function(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.function(field.name, value)


def optional_plain(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Validate a field as ``plain`` does, unless it is None."""
    if value is not None:
        checks.plain(field.name, value)


def optional_function(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Raise TypeError unless the value is callable or None."""
    if value is not None:
        checks.function(field.name, value)
