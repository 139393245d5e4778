"""Answers in models of pydantic, and as plain data."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.examples import VALUES
from support.programs import run_program

import wxcv
from wxcv.endpoints.answers import Answer

ANSWERS: list[Any] = [value for value in VALUES if isinstance(value, Answer)]
PAGES = [
    wxcv.Quota,
    *(
        value.read.__self__
        for value in map(wxcv.__getattr__, wxcv.__all__)
        if isinstance(value, wxcv.Endpoint)
    ),
]
each_answer = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)


def check_shape(value: Any, schema: dict[str, Any], parts: dict[str, Any]) -> None:
    """Assert that a JSON value is of the types in a JSON schema, and has no member that is not in it."""
    while "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    types = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int}
    assert isinstance(value, types[schema["type"]])
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
        for name, member in value.items():
            check_shape(member, schema["properties"][name], parts)
    if isinstance(value, list):
        for row in value:
            check_shape(row, schema["items"], parts)


def test_there_is_an_example_of_every_answer() -> None:
    """The examples have every answer class of the session's methods, and the parts of these."""
    assert {type(answer) for answer in ANSWERS} >= set(PAGES)
    assert len(PAGES) == 12


@each_answer
def test_what_to_dict_returns_is_read_again(answer: Any) -> None:
    """from_dict of what to_dict returns is the same answer, also after a trip through JSON text."""
    assert type(answer).from_dict(json.loads(json.dumps(answer.to_dict()))) == answer


@each_answer
def test_an_answer_can_be_pickled_and_copied(answer: Any) -> None:
    """A pickle, a copy and a deep copy are equal to the answer."""
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301 - ours
    assert copy.copy(answer) == copy.deepcopy(answer) == answer


@each_answer
def test_pydantic_reads_and_writes_every_answer(answer: Any) -> None:
    """A TypeAdapter returns an answer as it is, writes WeChat's JSON and reads it again."""
    adapter = TypeAdapter(type(answer))

    assert adapter.validate_python(answer) is answer
    assert adapter.dump_python(answer) == json.loads(adapter.dump_json(answer)) == answer.to_dict()
    assert adapter.validate_python(answer.to_dict()) == answer
    assert repr(adapter.validate_json(adapter.dump_json(answer))) == repr(answer)


@each_answer
def test_the_json_schema_describes_the_json(answer: Any) -> None:
    """The JSON schema has the title of the class and the members of its JSON, for input and output alike."""
    adapter = TypeAdapter(type(answer))
    schema = adapter.json_schema(mode="serialization")

    assert schema == adapter.json_schema(mode="validation")
    assert schema["title"] == type(answer).__name__
    assert schema["description"]
    check_shape(answer.to_dict(), schema, schema.get("$defs", {}))


def test_a_part_has_one_definition() -> None:
    """The corners of codes and of lines of text are one definition of the schema, named Pos."""

    class Report(BaseModel):
        scan: wxcv.QrcodeScan
        page: wxcv.PrintedText | None = None

    schema = Report.model_json_schema()

    assert set(schema["$defs"]) == {
        *("QrcodeScan", "CodeResult", "PrintedText", "TextItem", "ImgSize", "Pos", "Point")
    }
    assert schema["properties"]["scan"] == {"$ref": "#/$defs/QrcodeScan"}
    scan = next(answer for answer in ANSWERS if isinstance(answer, wxcv.QrcodeScan))
    assert Report.model_validate_json(Report(scan=scan).model_dump_json()) == Report(scan=scan)


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (wxcv.QrcodeScan, {"code_results": 5}),
        (wxcv.QrcodeScan, "text"),
        (wxcv.QrcodeScan, None),
        (wxcv.QrcodeScan, wxcv.PrintedText()),
        (wxcv.Pos, {}),
        (wxcv.Pos, {"left_top": {"x": 1, "y": 2}}),
        (wxcv.Menu, {"content": "no json"}),
        (wxcv.Quota, {"quota": {"daily_limit": 1.5, "used": 0, "remain": 0}}),
    ],
    ids=str,
)
def test_another_shape_is_a_validation_error(cls: type[Any], value: object) -> None:
    """What is not the JSON of the class is a ValidationError that names the class."""
    with pytest.raises(ValidationError, match=f"should be the JSON of a {cls.__name__}"):
        TypeAdapter(cls).validate_python(value)


def test_pydantic_is_imported_only_when_it_asks() -> None:
    """Importing and using answers does not import pydantic."""
    program = """
import sys, wxcv
wxcv.QrcodeScan.from_dict({}).to_dict(), wxcv.Menu(), wxcv.Quota(1, 0, 1), wxcv.Idcard()
assert not [name for name in sys.modules if name.startswith("pydantic")], sys.modules
"""
    done = run_program(program)

    assert (done.returncode, done.stderr) == (0, "")
