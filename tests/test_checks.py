"""Bad settings are named, and secret values are not shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

import wxcv
from wxcv import checks

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = wxcv.AppCredential("wx0123456789abcdef", "0123456789abcdef")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("concurrency", 0),
        ("concurrency", -1),
        ("concurrency", 1.5),
        ("concurrency", True),
        ("attempt_timeout", 0),
        ("attempt_timeout", -1),
        ("attempt_timeout", math.nan),
        ("attempt_timeout", math.inf),
        ("attempt_timeout", "30"),
        ("call_timeout", 0),
        ("call_timeout", None),
        ("image_limit", 0),
        ("base_url", "api.weixin.qq.com"),
        ("base_url", "ftp://api.weixin.qq.com"),
        ("base_url", "https://"),
        ("base_url", "https://host:99999"),
        ("base_url", "https://host/path"),
        ("base_url", "https://host?query=1"),
        ("base_url", "https://host#fragment"),
        ("base_url", "https://user:PASSWORD@host"),
        ("base_url", "https://host\n"),
        ("base_url", "http://api.weixin.qq.com"),
        ("base_url", "https://a..b"),
        ("base_url", f"https://{'a' * 64}.example"),
        ("base_url", 5),
        ("http", "http://127.0.0.1"),
        ("on_attempt", 5),
        ("tokens", {}),
        ("retries", 3),
        ("clock", 5),
        ("proxy", "user:PASSWORD@proxy:8080"),
        ("proxy", 8080),
    ],
)
def test_a_bad_setting_is_named(name: str, value: Any) -> None:
    """Every argument of Session out of its range is refused by name when the session is made."""
    options: dict[str, Any] = {name: value}
    with pytest.raises((ValueError, TypeError), match=name) as caught:
        wxcv.Session(GOOD, **options)

    assert "PASSWORD" not in str(caught.value)


def test_an_async_hook_is_refused() -> None:
    """An async on_attempt would never be awaited, so it is refused."""

    async def hook(_event: wxcv.AttemptEvent) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="on_attempt must be a function that is not async"):
        wxcv.Session(GOOD, on_attempt=hook)


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt keyword is a TypeError."""
    with pytest.raises(TypeError, match="concurency"):
        wxcv.Session(GOOD, concurency=3)  # type: ignore[call-arg]


def test_a_credential_must_be_one() -> None:
    """A pair of strings is not a credential, and the secret in it is not shown."""
    with pytest.raises(TypeError, match="credential") as caught:
        wxcv.Session(("wx", "MARKED-SECRET"))  # type: ignore[arg-type]

    assert "MARKED" not in str(caught.value)


def test_an_object_of_another_class_is_named_with_its_article() -> None:
    """The class that is wanted, and the one that is there, are told; the value is not."""
    with pytest.raises(TypeError, match=r"^x must be an AppCredential, not str$"):
        checks.check_instance("x", "MARKED", wxcv.AppCredential)
    with pytest.raises(TypeError, match=r"^x must be a Batch, not int$"):
        checks.check_instance("x", 5, wxcv.Batch)


def test_numbers_at_the_edge_of_their_range_are_good() -> None:
    """The least and the greatest number are accepted as they are, and seconds become a float."""
    assert [checks.check_seconds("s", value) for value in (1e-9, 1, 10**9)] == [1e-9, 1.0, 1e9]
    assert [checks.check_integer("n", value, least=0) for value in (0, 10**9)] == [0, 10**9]
    assert checks.check_token_text("p", "x" * 2048) == "x" * 2048
    assert type(checks.check_seconds("s", 1)) is float


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: checks.check_seconds("s", 0), "of seconds above 0 and at most 10 .. 9, not 0"),
        (lambda: checks.check_seconds("s", 10, least=10.0), "above 10 and at most 10 .. 9, not 10"),
        (lambda: checks.check_seconds("s", 1e9 + 1), "at most 10 .. 9, not this number"),
        (lambda: checks.check_seconds("s", True), "not bool"),  # noqa: FBT003 - what is refused
        (lambda: checks.check_integer("n", True), "not bool"),  # noqa: FBT003 - what is refused
        (lambda: checks.check_seconds("s", "MARKED"), "not str"),
        (lambda: checks.check_integer("n", 0), "from 1 to 10 .. 9, not 0"),
        (lambda: checks.check_integer("n", 10**9 + 1), "not this number"),
        (lambda: checks.check_integer("n", 2.0), "not 2.0"),
        (lambda: checks.check_token_text("p", "x" * 2049), "at most 2,048 characters, not 2,049"),
    ],
)
def test_numbers_beyond_the_edge_are_refused(check: Callable[[], object], message: str) -> None:
    """A number out of its range is shown if it is short, and named by its range."""
    with pytest.raises(ValueError, match=message) as caught:
        check()

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    """Plain http needs no permission on loopback."""
    assert checks.check_base_url(f"http://{host}:8080/", allow_http=False) == f"http://{host}:8080"


def test_plain_http_elsewhere_must_be_allowed() -> None:
    """Plain http to another host is allowed by its switch only."""
    assert checks.check_base_url("http://relay.internal", allow_http=True) == "http://relay.internal"


@pytest.mark.parametrize("value", ["", " ", "MARKED ", "MARKED\n", "MAR\tKED", "MARKED密"])
@pytest.mark.parametrize("name", ["appid", "secret"])
def test_a_bad_credential_is_named_and_not_shown(name: str, value: str) -> None:
    """Appid and secret must be ASCII without white space; a bad one is named, its value is not shown."""
    fields = {"appid": "wx1", "secret": "s", name: value}
    with pytest.raises(ValueError, match=name) as caught:
        wxcv.AppCredential(**fields)

    assert "MAR" not in str(caught.value)


def test_a_secret_of_another_type_is_refused() -> None:
    """Bytes are not a secret."""
    with pytest.raises(TypeError, match="secret must be a str, not bytes"):
        wxcv.AppCredential("wx1", b"MARKED")  # type: ignore[arg-type]


def test_a_proxy_may_have_a_password() -> None:
    """A proxy's URL with user and password is accepted."""
    assert checks.check_proxy("http://user:pass@proxy:8080") == "http://user:pass@proxy:8080"
    assert checks.check_proxy(None) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: wxcv.TokenCache(wxcv.SQLiteStore), "store must be an object, not the class SQLiteStore"),
        (
            lambda: wxcv.TokenCache(clock=wxcv.ManualClock),
            "clock must be an object, not the class ManualClock",
        ),
    ],
)
def test_a_class_in_place_of_an_object_is_named(make: Callable[[], object], said: str) -> None:
    """A class has the methods of a store or clock too, but is refused before it is used."""
    with pytest.raises(TypeError, match=f"^{said}$"):
        make()
