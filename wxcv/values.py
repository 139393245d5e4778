"""Value, the base class of frozen values."""

from __future__ import annotations

import attrs


class Value:
    """Base class of attrs classes that share one repr, which looks like attrs' own.

    Declare subclasses with ``@attrs.frozen(repr=False)``: generating a repr for each class takes a seventh of
    wxcv's import time. ``attrs.field(repr=...)`` works as usual.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for field in attrs.fields(type(self)):  # type: ignore[arg-type] # every subclass is an attrs class
            if field.repr:
                format_value = field.repr if callable(field.repr) else repr
                shown.append(f"{field.name}={format_value(getattr(self, field.name, attrs.NOTHING))}")
        name = type(self).__qualname__.rpartition(">.")[2]
        return f"{name}({', '.join(shown)})"
