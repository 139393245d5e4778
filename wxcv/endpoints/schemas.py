"""Schemas of answers for pydantic, which is imported only here."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from wxcv.endpoints.readers import SHAPE_ERRORS, Number

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_NUMBER = Annotated[Number, WithJsonSchema({"type": "number"})]


def make_core_schema(cls: type, json_types: dict[str, Any], handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return the schema of an answer class: it is read by its ``from_dict`` and written by its ``to_dict``.

    The types of the members of its JSON are for the JSON schema only.
    """

    def from_json(value: object, _by_types: object) -> object:  # errors of pydantic show the name
        return _read(cls, value)

    return core_schema.no_info_wrap_validator_function(
        from_json,
        _object_schema(json_types, handler),
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        serialization=core_schema.plain_serializer_function_ser_schema(_write),
    )


def _read(cls: Any, value: object) -> object:  # noqa: ANN401 - from_dict is the subclass's
    if isinstance(value, cls):
        return value
    try:
        answer: object = cls.from_dict(value)
    except SHAPE_ERRORS:
        answer = None
    if answer is None:  # from_dict of a part returns None for a missing one
        raise PydanticCustomError(
            "wechat_json", "Input should be the JSON of a {name}", {"name": cls.__name__}
        )
    return answer


def _write(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - to_dict is the subclass's
    fields: dict[str, Any] = answer.to_dict()
    return fields


def _object_schema(types: dict[str, Any], handler: GetCoreSchemaHandler) -> core_schema.TypedDictSchema:
    return core_schema.typed_dict_schema({name: _member(kind, handler) for name, kind in types.items()})


def _member(kind: Any, handler: GetCoreSchemaHandler) -> core_schema.TypedDictField:  # noqa: ANN401 - a type or a dict
    if isinstance(kind, dict):
        members = _object_schema(kind, handler)
        is_required = any(member["required"] for member in members["fields"].values())
        return core_schema.typed_dict_field(members, required=is_required)
    kinds = set(get_args(kind)) if isinstance(kind, UnionType) else {kind}
    types = kinds - {NoneType}
    only = handler.generate_schema(_NUMBER if len(types) > 1 else types.pop())
    return core_schema.typed_dict_field(only, required=NoneType not in kinds)
