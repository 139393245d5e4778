"""Endpoint: the description of one endpoint of WeChat's image API."""

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

_PATH = r"(?a)(/(?!\.\.?(?:/|$))[\w.~-]+)+"
_RESERVED = ("img", "img_url", "access_token", "cloudbase_access_token")


def _usable_path(_endpoint: object, _field: object, value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(_PATH, value):
        raise ValueError("path must look like /cv/ocr/comm, in ASCII and without query")


def _word(_endpoint: object, field: attrs.Attribute[str], value: object) -> None:
    checks.check_text(field.name, value)


def _optional_word(_endpoint: object, field: attrs.Attribute[str], value: object) -> None:
    if value != "":
        checks.check_text(field.name, value)


def _function(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.check_callable(field.name, value)


def _field_names(endpoint: Endpoint[Any], field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple) or not all(
        isinstance(name, str) and name.isidentifier() and name.isascii() for name in value
    ):
        raise TypeError(f'{field.name} must be a tuple of names in ASCII, such as ("ratios",)')
    others = endpoint.fields if field.name == "query_fields" else ()
    names = (*value, *others, *_RESERVED)
    if len(set(names)) < len(names):
        raise ValueError(f"{field.name} must not have a name twice, nor one of {', '.join(_RESERVED)}")


def _flag(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.check_bool(field.name, value)


def _one_line(answer: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of any endpoint
    to_dict = getattr(answer, "to_dict", None)
    yield "answer", json.dumps(to_dict(), ensure_ascii=False) if to_dict else str(answer)


@attrs.frozen(repr=False)
class Endpoint(Value, Generic[AnswerT]):
    """An endpoint of WeChat's image API.

    For a page that wxcv does not have, make one of a class for its answer, and pass it to ``Session.call``::

        @attrs.frozen
        class Logo:
            name: str


        LOGO = wxcv.Endpoint("logo", "/cv/img/logo", lambda fields: Logo(fields["name"]))

    Attributes:
        name: the name used in error messages, for its command, and as the key in the ``--json`` output of the
            command line.
        path: the path of the URL, such as ``/cv/ocr/comm``.
        read: a function that parses WeChat's JSON object into the answer. For an object that does not match
            the documented format it raises an exception, such as KeyError or TypeError, and the call raises
            ProtocolError.
        fields: the names of the extra fields that the endpoint accepts; they are sent as form fields with an
            uploaded image, and in the query with an ``img_url``.
        query_fields: the names of the extra fields that the endpoint accepts in the query only.
        is_personal: whether answers hold personal data, such as that of an ID card; errors then quote nothing
            of an answer.
        summary: one line for the command line's help.
        table: a function that returns the label and the text of each row in which the command line prints an
            answer.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it.
    """

    name: str = attrs.field(validator=_word)
    path: str = attrs.field(validator=_usable_path)
    read: Callable[[Mapping[str, Any]], AnswerT] = attrs.field(repr=False, validator=_function)
    fields: tuple[str, ...] = attrs.field(default=(), validator=_field_names)
    query_fields: tuple[str, ...] = attrs.field(default=(), kw_only=True, validator=_field_names)
    is_personal: bool = attrs.field(default=False, kw_only=True, validator=_flag)
    summary: str = attrs.field(default="", kw_only=True, validator=_optional_word)
    table: Callable[[AnswerT], Iterable[tuple[str, str]]] = attrs.field(
        default=_one_line, kw_only=True, repr=False, validator=_function
    )
