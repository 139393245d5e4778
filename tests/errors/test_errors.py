"""The error tree."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from support.examples import ERRORS

import wxcv
from wxcv import errors

ABSTRACT = {errors.WxcvError, errors.ImageError, errors.TransportError}


def classes() -> set[type[BaseException]]:
    """Return every error class that the module defines."""
    return {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    }


def test_every_error_is_under_the_root_and_exported() -> None:
    """Every error class is a WxcvError and a public name."""
    for cls in classes():
        assert issubclass(cls, wxcv.WxcvError)
        assert getattr(wxcv, cls.__name__) is cls


def test_the_printed_tree_is_the_real_one() -> None:
    """The module docstring draws exactly the classes and parents that exist."""
    drawn, parents = {}, {0: "WxcvError"}
    for indent, name in re.findall(r"^ {4}([│├└─ ]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 4
        parents[depth] = name
        drawn[name] = parents[depth - 1] if depth else None
    real = {cls.__name__: cls.__bases__[0].__name__ for cls in classes()} | {"WxcvError": None}

    assert real == drawn


def test_the_examples_cover_the_tree() -> None:
    """Every class that is raised has an example in this file."""
    assert classes() - ABSTRACT == {type(error) for error in ERRORS}


def test_the_printed_tree_marks_what_is_account_wide() -> None:
    """The classes with a star in the module docstring are those whose errors would hit every other image."""
    marked = set(re.findall(r"(\w+Error) +\*", errors.__doc__ or ""))

    assert marked == {cls.__name__ for cls in classes() if cls.account_wide}  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_has_a_sentence_for_end_users(error: wxcv.WxcvError) -> None:
    """The user_message is one short sentence without numbers, codes or the error's own text."""
    message = error.user_message

    assert re.fullmatch(r"[A-Z][A-Za-z ,;]+\.", message)
    assert len(message) < 80
    assert "errcode" not in message


def test_an_error_that_is_about_no_call_was_never_sent() -> None:
    """Before a call says otherwise, an error tells of no send, of no time, and of an image if it has one."""
    for error, image in ((errors.StoreError("down"), None), (errors.EmptyImageError("a.png", "b"), "a.png")):
        assert (error.sends, error.elapsed, error.image) == (0, 0.0, image)


def test_an_error_names_its_image_once() -> None:
    """The text begins with the image's name, also where the message does so already."""
    error = errors.ImageRejectedError(101002, "bad")
    error.image = "a.png"

    assert str(error) == "a.png: errcode 101002: bad"
    assert str(errors.EmptyImageError("a.png", "no bytes")) == "a.png: no bytes"


def test_an_error_names_an_image_whose_name_its_message_begins_with() -> None:
    """An image called "err" is named before "errcode", too."""
    error = errors.ImageRejectedError(101002, "bad")
    error.image = "err"

    assert str(error) == "err: errcode 101002: bad"


def test_every_message_is_masked_and_bounded() -> None:
    """Whatever a message is made of, it shows no secret by its name and has at most 1,024 characters."""
    error = errors.StoreError("https://u:MARKED@x/?access_token=MARKED&a=1 " + "x" * 5000)

    assert "MARKED" not in repr(error)
    assert len(str(error)) <= 1024


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickle_and_copy(error: wxcv.WxcvError) -> None:
    """A pickled or copied error keeps its class, its text and all its fields."""
    error.sends, error.elapsed = 2, 1.5
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin is not error


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (errors.EmptyImageError("a", "b"), False),
        (errors.ConnectError("a"), True),
        (errors.CallTimeoutError("a"), True),
        (errors.AnswerLostError("a"), True),
        (errors.ProtocolError("a", status=503), True),
        (errors.ProtocolError("a", status=413), False),
        (errors.APIError(1, "a"), False),
        (errors.SystemBusyError(-1, "a"), True),
        (errors.RateLimitedError(45011, "a"), True),
        (errors.QuotaExhaustedError(45009, "a"), False),
        (errors.TokenRejectedError(40001, "a"), False),
        (errors.SessionClosedError("a"), False),
        (errors.StoreError("a"), True),
    ],
)
def test_an_error_says_whether_it_is_retryable(error: wxcv.WxcvError, retryable: bool) -> None:
    """Only failures that may pass by themselves are retryable."""
    assert retryable is error.retryable


def test_a_sent_error_tells_how_often_and_how_long() -> None:
    """The text of an error whose image went out names the sends and the seconds."""
    error = errors.AnswerLostError("gone")

    assert str(error) == "gone"
    error.sends, error.elapsed = 2, 1.5
    assert str(error) == "gone [sends: 2, elapsed: 1.50 s]"


def test_image_errors_are_value_errors() -> None:
    """A caller may catch refused images as ValueError, and a closed session as RuntimeError."""
    assert issubclass(wxcv.ImageError, ValueError)
    assert issubclass(wxcv.SessionClosedError, RuntimeError)
