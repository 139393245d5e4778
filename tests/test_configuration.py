"""Wrong settings are refused where they are given: the field is named, and its value is never shown."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
from redis.asyncio import Redis

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = "MARKED value"
HUGE = 10**400
APP = wxcv.AppCredential("wx1", "s")
COMPONENT = wxcv.ComponentCredential("wxp", "s", "ticket")


def session(**options: Any) -> wxcv.Session:
    """Make a session."""
    return wxcv.Session(APP, **options)


def app(**fields: Any) -> wxcv.AppCredential:
    """Make an account's credential."""
    return wxcv.AppCredential(**{"appid": "wx1", "secret": "s", **fields})


def component(**fields: Any) -> wxcv.ComponentCredential:
    """Make a platform's credential."""
    given = {"component_appid": "wxp", "component_appsecret": "s", "ticket": "t", **fields}
    return wxcv.ComponentCredential(**given)


def authorizer(**fields: Any) -> wxcv.AuthorizerCredential:
    """Make a merchant's credential."""
    given = {"component": COMPONENT, "authorizer_appid": "wxm", "refresh_token": "r", **fields}
    return wxcv.AuthorizerCredential(**given)


def static(**fields: Any) -> wxcv.StaticTokenCredential:
    """Make a credential of a token that was fetched elsewhere."""
    return wxcv.StaticTokenCredential(**{"token": "t", **fields})


def callback(**fields: Any) -> wxcv.CallbackCredential:
    """Make a credential of a token function."""
    return wxcv.CallbackCredential(**{"function": print, **fields})


def store(**options: Any) -> wxcv.RedisStore:
    """Make a store."""
    return wxcv.RedisStore(**{"redis": Redis(), **options})


def redis_url(**options: Any) -> wxcv.RedisStore:
    """Make a store with a client of its own."""
    return wxcv.RedisStore.from_url(**{"url": "redis://h", **options})


def sqlite(**options: Any) -> wxcv.SQLiteStore:
    """Make a store in a file."""
    return wxcv.SQLiteStore(**{"path": "x", **options})


def endpoint(**fields: Any) -> wxcv.Endpoint[Any]:
    """Make an endpoint."""
    return wxcv.Endpoint(**{"name": "n", "path": "/cv/x", "read": dict, **fields})


def limits(**fields: Any) -> wxcv.DailyLimits:
    """Make daily limits."""
    return wxcv.DailyLimits(**{"limits": {}, **fields})


def image(**fields: Any) -> wxcv.ImageBytes:
    """Make an image."""
    return wxcv.ImageBytes(**{"data": b"x", **fields})


def batch(**options: Any) -> object:
    """Make a batch."""
    given = {"endpoint": wxcv.SCAN_QRCODE, "images": [], **options}
    return session().batch(given.pop("endpoint"), given.pop("images"), **given)


NO_SECONDS = [0, -1, -0.0, math.nan, math.inf, -math.inf, HUGE, -HUGE, BAD, None, True, [BAD]]
NO_COUNT = [0, -1, 1.5, math.nan, HUGE, BAD, True, [BAD]]
NO_FLAG = [BAD, 0, 1, None]
NO_TEXT = ["", " ", BAD, "MARKED\n", "MARKED密", b"MARKED", 5, None, "M" * 2049]
NO_ACCOUNT = [value for value in NO_TEXT if value is not None]
NO_URL = [
    *("", "/", "MARKED", "ftp://MARKED", "https://", "https://h:0", "https://h:65536", "https://h:x"),
    *("https://h/MARKED", "https://h?MARKED", "https://h#MARKED", "https://u:MARKED@h", "https://MARKED h"),
    *("http://h", "https://a..b", 5, b"https://h", [BAD]),
    *(r"https://h\MARKED", "https://MARKED%zz", "https://MARKED^", "https://MARKED|", "https://MARKED<>"),
    *("https://MARKED,x", "https://[MARKED]", "https://[::MARKED]", "https://MARKED..x", "https://*.MARKED"),
]
NO_PROXY = [
    *(
        "",
        "MARKED",
        "user:MARKED@proxy:8080",
        "ftp://MARKED",
        8080,
        "http://u:MARKED@",
        "http://u:MARKED@h:99999",
    ),
    *("http://u:MARKED@h,x", "http://u:MARKED@a^b", "http://u:MARKED@h%zz", r"http://u:MARKED@h\x"),
    *("http://u:MARKED世@h", "http://MARKED世:p@h", "http://u:MARKED%E4%B8%96@h", "http://u:MARKED%ff@h"),
    *("http://MARKED%3a:p@h", "http://MARKED%3A@h"),
]
NO_REDIS_URL = [
    *("MARKED", "http://MARKED", "redis://u:MARKED@h:x", "redis://:MARKED@h:99999", "redis://u:MARKED@[::1"),
    *("redis://h?MARKED=1", "redis://h?db=MARKED", "redis://h?ssl=MARKED"),
    *("redis://h?path=MARKED", "unix://MARKED", "unix://"),
]
TABLE: list[tuple[Callable[..., object], str, list[Any]]] = [
    (session, "concurrency", NO_COUNT),
    (session, "attempt_timeout", NO_SECONDS),
    (session, "call_timeout", NO_SECONDS),
    (session, "slot_timeout", [value for value in NO_SECONDS if value is not None]),
    (session, "max_waiting", [-1, 1.5, HUGE, BAD, True]),
    (session, "image_limit", NO_COUNT),
    (session, "base_url", NO_URL),
    (session, "fallback_urls", [[url] for url in NO_URL]),
    (session, "fallback_urls", ["https://MARKED", b"https://h", None, 5, {"https://h"}, iter(["https://h"])]),
    (session, "fallback_urls", [["https://h", "https://H.:443/"], ["https://api.weixin.qq.com"]]),
    (session, "proxy", NO_PROXY),
    (session, "allow_http", NO_FLAG),
    (session, "trust_env", NO_FLAG),
    (session, "local_files", NO_FLAG),
    (session, "fit", NO_FLAG),
    (session, "daily_limits", [5, BAD, {}, wxcv.DailyLimits]),
    (session, "answer_sources", [5, BAD, None, [None], [object()]]),
    (limits, "limits", [5, BAD, None, {BAD: 1}, {wxcv.SCAN_QRCODE: -1}, {wxcv.SCAN_QRCODE: BAD}]),
    (limits, "reset_hour", [-1, 24, 1.5, BAD, None, True]),
    (limits, "without_store", ["", BAD, None, 5]),
    (session, "http", [BAD, 5, aiohttp.ClientSession]),
    (session, "tokens", [BAD, {}, wxcv.TokenCache]),
    (session, "store", [BAD, {}, 5, wxcv.SQLiteStore, wxcv.RedisStore]),
    (session, "retries", [3, BAD, wxcv.RetryPolicy]),
    (session, "on_attempt", [5, BAD, [BAD]]),
    (session, "on_call", [5, BAD, [BAD]]),
    (session, "on_call_start", [5, BAD, [BAD]]),
    (session, "clock", [5, BAD, wxcv.ManualClock]),
    (wxcv.Session, "credential", [BAD, None, ("wx", BAD), wxcv.AppCredential]),
    (app, "appid", NO_TEXT),
    (app, "secret", NO_TEXT),
    (app, "stable", NO_FLAG),
    (component, "component_appid", NO_TEXT),
    (component, "component_appsecret", NO_TEXT),
    (component, "ticket", NO_TEXT),
    (authorizer, "component", ["MARKED", None, APP]),
    (authorizer, "authorizer_appid", NO_TEXT),
    (authorizer, "refresh_token", NO_TEXT),
    (authorizer, "on_refresh_token", [5, BAD, [BAD]]),
    (static, "token", NO_TEXT),
    (callback, "function", [BAD, None, 5]),
    (static, "account", NO_ACCOUNT),
    (callback, "account", NO_ACCOUNT),
    (wxcv.CloudCredential, "account", NO_ACCOUNT),
    (wxcv.CloudRelayCredential, "account", NO_ACCOUNT),
    (wxcv.CloudCredential, "path", [5, None, b"MARKED", "", "MARKED\0"]),
    (store, "redis", [None, BAD, 5]),
    (store, "prefix", ["", " ", BAD, 5, None]),
    (store, "lease", [*NO_SECONDS, 10, 9.9]),
    (redis_url, "url", [None, 5, b"redis://MARKED", "", *NO_REDIS_URL]),
    (redis_url, "prefix", ["", " ", BAD, 5, None]),
    (redis_url, "lease", [*NO_SECONDS, 10, 9.9]),
    (sqlite, "path", [None, b"MARKED", 5, "", "MARKED\0", ":memory:"]),
    (sqlite, "path", ["redis:/:MARKED@h/0", "REDISS://:MARKED@h", " unix:/MARKED", Path("redis://MARKED")]),
    (sqlite, "lease", [*NO_SECONDS, 10, 9.9]),
    (sqlite, "clock", [5, BAD]),
    (wxcv.TokenCache, "store", [BAD, 5, {}, wxcv.SQLiteStore]),
    (wxcv.TokenCache, "maxsize", NO_COUNT),
    (wxcv.TokenCache, "clock", [BAD, 5]),
    (wxcv.RetryPolicy, "attempts", NO_COUNT),
    (wxcv.RetryPolicy, "base", NO_SECONDS),
    (wxcv.RetryPolicy, "cap", NO_SECONDS),
    (wxcv.RetryPolicy, "at_most_once", NO_FLAG),
    (endpoint, "name", ["", 5, None, "a\nb"]),
    (endpoint, "path", ["", "cv", "/cv?MARKED", "/cv/MARKED/", "/c v", 5, None]),
    (endpoint, "read", [5, BAD, None]),
    (endpoint, "fields", ["ratios", [BAD], (5,), ("a b",), None]),
    (endpoint, "query_fields", ["type", [BAD], (5,), ("a b",), None]),
    (endpoint, "is_personal", NO_FLAG),
    (endpoint, "summary", [5, None, b""]),
    (endpoint, "table", [5, BAD, None]),
    (image, "data", [BAD, None, 5]),
    (image, "content_type", [BAD, "", "image", "image/png\r\nX: y", 5]),
    (image, "name", [5, b"MARKED"]),
    (batch, "endpoint", [BAD, None, "/cv/x"]),
    (batch, "images", [BAD, b"MARKED", 5, None, bytearray(1), io.BytesIO(b"MARKED"), io.StringIO("MARKED")]),
    (batch, "key", [5, BAD]),
    (batch, "ordered", NO_FLAG),
    (batch, "window", NO_COUNT),
    (batch, "fields", [{"MARKED field": "x"}, 5, [BAD], {"x": 5}]),
]
CASES = [
    pytest.param(make, name, value, id=f"{make.__name__}-{name}-{number}")
    for make, name, values in TABLE
    for number, value in enumerate(values)
]


@pytest.mark.parametrize(("make", "name", "value"), CASES)
def test_a_wrong_setting_is_named_and_not_shown(make: Callable[..., object], name: str, value: Any) -> None:
    """A value out of its range is a ValueError or TypeError that names the field, and shows no text of it."""
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b") as caught:
        make(**{name: value})

    message = str(caught.value)
    assert "MARKED" not in message
    assert "got an unexpected keyword" not in message
    assert len(message) < 250
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://h",
            "https://h.example.com.:8080/",
            "http://u@h",
            "http://u:p%40ss:w%C3%B6rd@127.0.0.1:3128",
        ),
        *("http://u:wörd@[::1]:3128", "http://bücher.example", "http://squid_1.internal", "http://[fe80::1]"),
    ],
)
def test_a_usable_proxy_is_accepted(url: str) -> None:
    """Names, addresses, passwords with special characters and names that are not ASCII may be a proxy's."""
    assert session(proxy=url)


@pytest.mark.parametrize(
    "urls",
    [(), wxcv.FALLBACK_URLS, ["https://h", "https://h:8443"], ["https://sh.api.weixin.qq.com/"]],
)
def test_usable_fallbacks_are_accepted(urls: list[str]) -> None:
    """No other host, wxcv's own, two ports of a host, and any other one of WeChat's are usable."""
    assert session(fallback_urls=urls)


def test_a_fallback_over_plain_http_needs_permission() -> None:
    """As for base_url, plain HTTP is for loopback hosts, unless it is allowed."""
    assert session(fallback_urls=["http://127.0.0.1:1"])
    assert session(fallback_urls=["http://h"], allow_http=True)
    with pytest.raises(ValueError, match=r"fallback_urls\[1\] is plain http"):
        session(fallback_urls=["https://g", "http://h"])


def test_a_host_that_is_listed_twice_is_named() -> None:
    """The error tells which of the URLs leads to the same host as which other one."""
    with pytest.raises(ValueError, match=r"fallback_urls\[0\] has the host and port of base_url;"):
        session(fallback_urls=["https://API.weixin.qq.com:443"])
    with pytest.raises(ValueError, match=r"fallback_urls\[2\] has the host and port of fallback_urls\[0\];"):
        session(fallback_urls=["https://h", "https://g", "https://h/"])


def test_the_table_is_long_and_covers_every_setting() -> None:
    """Every keyword of every public constructor is in the table, which has 130 cases at the least."""
    covered = {(make.__name__, name) for make, name, _ in TABLE}
    credentials: dict[str, type] = {
        "app": wxcv.AppCredential,
        "component": wxcv.ComponentCredential,
        "authorizer": wxcv.AuthorizerCredential,
        "static": wxcv.StaticTokenCredential,
        "callback": wxcv.CallbackCredential,
        "CloudCredential": wxcv.CloudCredential,
        "CloudRelayCredential": wxcv.CloudRelayCredential,
        "RetryPolicy": wxcv.RetryPolicy,
        "endpoint": wxcv.Endpoint,
        "image": wxcv.ImageBytes,
        "limits": wxcv.DailyLimits,
    }
    fields = {
        (name, field.name) for name, cls in credentials.items() for field in attrs.fields(cls) if field.init
    }
    options = {("session", name) for name in wxcv.Session.__init__.__kwdefaults__}

    assert len(CASES) >= 130
    assert fields | options <= covered


def test_a_misplaced_secret_is_not_shown() -> None:
    """A credential that is given too few arguments shows none of them."""
    for make in (wxcv.AuthorizerCredential, wxcv.AppCredential, wxcv.ComponentCredential):
        with pytest.raises(TypeError) as caught:
            make("MARKED")  # type: ignore[call-arg, arg-type]
        assert "MARKED" not in str(caught.value)
