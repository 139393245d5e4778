"""The base of frozen values."""

from __future__ import annotations

import attrs


class Value:
    """An attrs class that shows itself as attrs would, by one repr for all of them.

    Declare it with ``@attrs.frozen(repr=False)``: to write and compile a repr for each class takes attrs a
    seventh of the time in which wxcv is imported. ``attrs.field(repr=...)`` works as ever.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for field in attrs.fields(type(self)):  # type: ignore[arg-type] # those below are such classes
            if field.repr:
                told = field.repr if callable(field.repr) else repr
                shown.append(f"{field.name}={told(getattr(self, field.name, attrs.NOTHING))}")
        name = type(self).__qualname__.rpartition(">.")[2]
        return f"{name}({', '.join(shown)})"
