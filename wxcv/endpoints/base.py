"""Endpoint: what distinguishes one page of WeChat's image API from another."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from wxcv import checks
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

AnswerT = TypeVar("AnswerT")

_PATH = r"(?a)(/[\w.~-]+)+"


def _usable_path(_endpoint: object, _field: object, value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(_PATH, value):
        raise ValueError("path must look like /cv/ocr/comm, in ASCII and without query")


def _word(_endpoint: object, field: attrs.Attribute[str], value: object) -> None:
    checks.text(field.name, value)


def _function(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.function(field.name, value)


def _field_names(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple) or not all(
        isinstance(name, str) and name.isidentifier() for name in value
    ):
        raise TypeError(f'{field.name} must be a tuple of names, such as ("ratios",)')


def _flag(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.flag(field.name, value)


def _one_line(answer: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of any endpoint
    to_dict = getattr(answer, "to_dict", None)
    yield "answer", json.dumps(to_dict(), ensure_ascii=False) if to_dict else str(answer)


@attrs.frozen(repr=False)
class Endpoint(Value, Generic[AnswerT]):
    """A page of WeChat's image API.

    Attributes:
        name: the word used for it here and on the command line.
        path: the path below the host.
        read: makes the answer from WeChat's JSON object. For an object that does not match the documented
            format it raises TypeError, ValueError, KeyError or AttributeError; the call then ends with
            ProtocolError.
        fields: the names of extra fields that the page takes; sent as form fields beside an uploaded
            image and in the query beside an ``img_url``.
        query_fields: the names of extra fields that the page takes in the query, however the image is sent.
        is_personal: whether answers hold personal data, such as an ID card's; they are never cached.
        table: yields a label and a text for each row in which the command line prints an answer.
    """

    name: str = attrs.field(validator=_word)
    path: str = attrs.field(validator=_usable_path)
    read: Callable[[Mapping[str, Any]], AnswerT] = attrs.field(repr=False, validator=_function)
    fields: tuple[str, ...] = attrs.field(default=(), validator=_field_names)
    query_fields: tuple[str, ...] = attrs.field(default=(), kw_only=True, validator=_field_names)
    is_personal: bool = attrs.field(default=False, kw_only=True, validator=_flag)
    table: Callable[[AnswerT], Iterable[tuple[str, str]]] = attrs.field(
        default=_one_line, kw_only=True, repr=False, validator=_function
    )
