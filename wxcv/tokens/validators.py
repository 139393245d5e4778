"""Validators for the fields of credentials; an error names the field and never shows its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wxcv import checks

if TYPE_CHECKING:
    import attrs


def validate_token_text(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Validate a field as ``checks.check_token_text`` does."""
    checks.check_token_text(field.name, value)


def validate_boolean(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.check_bool(field.name, value)


def validate_callable(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.check_callable(field.name, value)


def validate_optional_token_text(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Validate a field as ``validate_token_text`` does, unless it is None."""
    if value is not None:
        checks.check_token_text(field.name, value)


def validate_optional_callable(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Raise TypeError unless the value is callable or None."""
    if value is not None:
        checks.check_callable(field.name, value)
