"""The base of answers that are texts by name, such as those of cards and licences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.geometry import Pos
from wxcv.endpoints.readers import read_optional_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wxcv.endpoints.geometry import ImgSize


def hide(value: object) -> str:
    """Return the repr of a field that is not shown."""
    return "None" if value is None else "***"


def personal() -> Any:  # noqa: ANN401 - as attrs.field
    """Declare an optional text that no repr shows."""
    return attrs.field(default=None, repr=hide, metadata={"is_text": True})


def plain() -> Any:  # noqa: ANN401 - as attrs.field
    """Declare an optional text that says nothing about a person."""
    return attrs.field(default=None, metadata={"is_text": True})


@attrs.frozen(repr=False)
class Document(Answer):
    """The texts of an answer, in WeChat's field names; what the picture does not have is None."""

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read WeChat's JSON."""
        return cls(**cls._read(fields))

    @classmethod
    def _read(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all texts by their names; a class with other fields adds them."""
        names = [field.name for field in attrs.fields(cls) if field.metadata.get("is_text")]
        return {name: read_optional_text(fields, name) for name in names}

    @classmethod
    def json_types(cls) -> dict[str, Any]:
        """Return the types of the members of WeChat's JSON, where positions are nested objects."""
        types = super().json_types()
        return types | {name: {"pos": kind} for name, kind in types.items() if kind == Pos | None}

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg; what is None is left out."""
        values = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        return {name: _to_json(value) for name, value in values.items() if value is not None}


def _to_json(value: str | Pos | ImgSize) -> object:
    if isinstance(value, str):
        return value
    return {"pos": value.to_dict()} if isinstance(value, Pos) else value.to_dict()


def table(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of a document."""
    for name, value in document.to_dict().items():
        if isinstance(value, str):
            yield name, value
