"""Answer, the base class of WeChat's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

from wxcv.values import Value

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Answer(Value):
    """Base class of answers and of their parts: attrs classes that pydantic can read, write and describe.

    A subclass has ``from_dict``, a class method that reads WeChat's JSON, and ``to_dict``, which returns it.
    pydantic uses both, so that an answer can be the field of a model and the response of a FastAPI handler.
    """

    __slots__ = ()

    @classmethod
    def json_types(cls) -> dict[str, Any]:
        """Return the types of the members of WeChat's JSON by name, as ``to_dict`` returns them.

        A member of ``X | None`` may be missing. A dict of names and types is a nested object, which may be
        missing if all its members may. Override it if the JSON has other members than the class.
        """
        return get_type_hints(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from wxcv.endpoints.schemas import make_core_schema  # noqa: PLC0415 - only pydantic needs it

        return make_core_schema(cls, cls.json_types(), handler)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        summary = (cls.__doc__ or "").partition("\n")[0]
        handler.resolve_ref_schema(schema).update(title=cls.__name__, description=summary)
        return schema
