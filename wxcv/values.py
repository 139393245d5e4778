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
        shown = [
            f"{field.name}={(field.repr if callable(field.repr) else repr)(getattr(self, field.name))}"
            for field in attrs.fields(type(self))  # type: ignore[arg-type] # those below are such classes
            if field.repr
        ]
        return f"{type(self).__qualname__}({', '.join(shown)})"
