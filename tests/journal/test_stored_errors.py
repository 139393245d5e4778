"""Errors in a journal."""

from __future__ import annotations

import json

import pytest
from support.examples import ERRORS

import wxcv
from wxcv.journal.stored_errors import dump_error, load_error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_it_was(error: wxcv.WxcvError) -> None:
    """It has its class, its arguments and its attributes, but the image, sends and time of its outcome."""
    loaded = load_error(dump_error(error), "b.png")

    assert type(loaded) is type(error)
    assert loaded.args == error.args
    assert vars(loaded) == vars(error) | {"image": "b.png", "sends": 0, "elapsed": 0.0}


def test_an_error_of_a_caller_becomes_one_of_ours() -> None:
    """A class that is not public comes back as a WxcvError; what JSON cannot hold is left out."""

    class OwnError(wxcv.WxcvError):
        pass

    error = OwnError("told")
    error.extra = object()  # type: ignore[attr-defined] # of the caller's
    loaded = load_error(dump_error(error), "b.png")

    assert type(loaded) is wxcv.WxcvError
    assert str(loaded) == "b.png: told"
    assert not hasattr(loaded, "extra")


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[1]", "null", '{"type": 5, "args": 5, "attributes": 5}'),
        *('{"type": "__all__"}', '{"type": "APIError", "args": [{"time": "x"}, [1]]}', "[" * 100_000),
    ],
)
def test_what_was_damaged_is_an_error_all_the_same(text: str | None) -> None:
    """A text that is not as it was written is read as an error without a text of its own."""
    assert str(load_error(text, "b.png")) == "b.png: the text of this error was not kept"


def test_a_long_text_is_cut() -> None:
    """What is kept of an error is bounded."""
    error = wxcv.ProtocolError("odd", status=502)
    error.excerpt = "x" * 100_000

    assert len(json.loads(dump_error(error))["attributes"]["excerpt"]) == 4096
