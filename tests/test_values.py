"""Values show themselves as attrs would show them."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

import wxcv
from wxcv.values import Value

T = TypeVar("T")


def _hidden(value: str) -> str:
    return f"<{len(value)} characters>"


class Outer:
    """Where a class has a qualified name."""

    @attrs.frozen(repr=False)
    class Thing(Value, Generic[T]):
        """Every kind of field."""

        number: int
        text: str
        secret: str = attrs.field(repr=False)
        half: str = attrs.field(repr=_hidden)
        other: object = None


class OfAttrs:
    """The same, with the repr that attrs writes."""

    @attrs.frozen
    class Thing(Generic[T]):
        """Every kind of field."""

        number: int
        text: str
        secret: str = attrs.field(repr=False)
        half: str = attrs.field(repr=_hidden)
        other: object = None


def test_a_value_shows_what_attrs_would_show() -> None:
    """Shown, hidden and shortened fields, and values within values, look as attrs writes them."""
    values: list[object] = []
    for thing in (Outer.Thing, OfAttrs.Thing):
        inner = thing(1, "a\n", "hush", "hush", None)
        values.append(thing(2, "二", "hush", "", inner))
    ours, theirs = map(repr, values)

    assert ours == theirs.replace("OfAttrs", "Outer")
    assert "hush" not in ours


def test_a_value_that_is_half_made_has_a_repr() -> None:
    """What a debugger shows of an object without its fields says so, and a local class has its bare name."""

    @attrs.frozen(repr=False)
    class Local(Value):
        number: int

    assert repr(object.__new__(Local)) == "Local(number=NOTHING)"


def test_an_answer_shows_what_one_would_type_to_make_it() -> None:
    """The repr of an answer names its class and every field."""
    size = wxcv.ImgSize(9, 9.5)
    scan = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "x"),), size)

    code = "CodeResult(type_name='QR_CODE', data='x', pos=None)"
    assert repr(scan) == f"QrcodeScan(code_results=({code},), img_size=ImgSize(w=9, h=9.5))"
