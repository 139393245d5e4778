"""A fault in the caller's own functions is told as theirs, with class and line, and never with its text."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import TOKEN
from support.pictures import PICTURE
from support.servers import answer, api_server
from support.steps import ASKED, run

import wxcv
from wxcv.clock import next_midnight
from wxcv.sandbox import Quota, Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web


from typing import TYPE_CHECKING

from wxcv.tokens.credential import (
    CallFunction,
    RefreshRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable


async def ok(request: web.Request) -> web.Response:
    """Answer a call."""
    await request.read()
    return answer(errcode=0, code_results=[])


async def raising(_refused: str | None) -> wxcv.AccessToken:
    """Raise an error whose text is secret."""
    raise KeyError("MARKED")


def raising_at_once(_refused: str | None) -> Awaitable[wxcv.AccessToken]:
    """Raise it before there is anything to await."""
    raise KeyError("MARKED")


class Service:
    """A token service with a method."""

    async def __call__(self, refused: str | None) -> wxcv.AccessToken:
        """Raise from a function further down."""
        return await raising(refused)


@pytest.mark.parametrize("function", [raising, raising_at_once, Service()], ids=["async", "sync", "object"])
async def test_what_a_token_function_raises_is_told_as_its_own_fault(
    function: Callable[[str | None], Awaitable[wxcv.AccessToken]], caplog: pytest.LogCaptureFixture
) -> None:
    """It is a TokenSourceError with the class and the line that raised, called once, and shows no text."""
    caplog.set_level(logging.DEBUG)
    async with (
        api_server(ok) as url,
        wxcv.Session(wxcv.CallbackCredential(function), base_url=url) as session,
    ):
        errors = await asyncio.gather(
            *(session.scan_qrcode(PICTURE) for _ in range(5)), return_exceptions=True
        )
        assert session.stats().refreshes == 1
        assert session.stats().sends == 0
    error = errors[0]

    assert isinstance(error, wxcv.TokenSourceError)
    assert (error.reason, error.retryable, error.account_wide) == ("KeyError", False, True)
    path, line = error.location.rsplit(":", 1)
    source, first = inspect.getsourcelines(raising if isinstance(function, Service) else function)
    assert path.endswith("test_callback.py")
    assert first <= int(line) < first + len(source)
    assert (error.__cause__, error.__context__) == (None, None)
    shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + caplog.text
    assert "MARKED" not in shown.replace('KeyError("MARKED")', "")  # the source line is the caller's own
    assert b"MARKED" not in pickle.dumps(error)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "must return an AccessToken, not NoneType"),
        ("MARKED", "must return an AccessToken, not str"),
        (wxcv.AccessToken("", 5), "unusable AccessToken: value is missing"),
        (wxcv.AccessToken("MARKED ", 5), "unusable AccessToken: value must be ASCII without white space"),
        (wxcv.AccessToken("M" * 2049, 5), "unusable AccessToken: value must have at most 2,048 characters"),
        (
            wxcv.AccessToken("MARKED", 0),
            "unusable AccessToken: expires_in must be a number of seconds above 0",
        ),
        (wxcv.AccessToken(5, 5), "unusable AccessToken: value must be a str, not int"),  # type: ignore[arg-type]
    ],
)
async def test_a_wrong_return_value_is_told_as_the_functions_fault(value: Any, said: str) -> None:
    """What is no usable AccessToken is a TokenSourceError that says what it must be."""

    async def central(_refused: str | None) -> wxcv.AccessToken:
        return value  # type: ignore[no-any-return]

    async with api_server(ok) as url, wxcv.Session(wxcv.CallbackCredential(central), base_url=url) as session:
        with pytest.raises(wxcv.TokenSourceError, match=said) as caught:
            await session.scan_qrcode(PICTURE)

    assert "central" in str(caught.value)
    assert "MARKED" not in str(caught.value)


async def test_an_error_of_wxcv_is_passed_on_and_one_that_is_retryable_is_tried_again() -> None:
    """A token function may raise an error of wxcv itself: it is called up to three times while retryable."""
    calls = 0

    async def central(_refused: str | None) -> wxcv.AccessToken:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise wxcv.ConnectError("the token service is down")
        return wxcv.AccessToken(TOKEN, 100)

    async with api_server(ok) as url, wxcv.Session(wxcv.CallbackCredential(central), base_url=url) as session:
        await session.scan_qrcode(PICTURE)

    assert calls == 3


async def test_a_token_function_that_fails_stops_a_batch() -> None:
    """A batch whose token function fails sends nothing, and gives every image back."""
    async with api_server(ok) as url, wxcv.Session(wxcv.CallbackCredential(raising), base_url=url) as session:
        outcomes = [one async for one in session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 20)]

    assert {(one.status, type(one.error), one.sends) for one in outcomes} == {
        ("not_sent", wxcv.TokenSourceError, 0)
    }


async def test_a_dropped_token_is_told_as_dropped_here() -> None:
    """If WeChat hands out again what invalidate_token() dropped, the error blames no other process."""
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            for _ in range(2):  # the first time a forced refresh brings another
                await session.scan_qrcode(PICTURE)
                session.invalidate_token()
            with pytest.raises(
                wxcv.TokenRejectedError, match="dropped the token with invalidate_token"
            ) as caught:
                await session.scan_qrcode(PICTURE)

    assert "another process" not in str(caught.value)
    assert "errcode" not in str(caught.value)
    assert (caught.value.errcode, caught.value.errmsg) == (40001, "")


async def test_a_hook_that_raises_is_logged_with_class_and_line(caplog: pytest.LogCaptureFixture) -> None:
    """What on_attempt raises is one line in the log, without its text, and the call goes on."""

    def hook(_event: wxcv.AttemptEvent) -> None:
        raise ValueError("MARKED")

    async with api_server(ok) as url:
        async with wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, on_attempt=hook) as session:
            await session.scan_qrcode(PICTURE)
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]

    assert "on_attempt raised ValueError at " in record.getMessage()
    assert "test_callback.py:" in record.getMessage()
    assert "MARKED" not in record.getMessage() + str(record.exc_info)


@pytest.mark.parametrize(
    ("wall", "reset"),
    [
        (datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC), datetime(2026, 3, 1, 16, tzinfo=UTC)),
        (datetime(2026, 3, 1, 16, 0, 0, tzinfo=UTC), datetime(2026, 3, 2, 16, tzinfo=UTC)),
        (datetime(2026, 12, 31, 20, 0, 0, tzinfo=UTC), datetime(2027, 1, 1, 16, tzinfo=UTC)),
    ],
)
def test_the_quota_resets_at_midnight_in_utc_plus_8(wall: datetime, reset: datetime) -> None:
    """The next midnight in UTC+8 is 16:00 in UTC."""
    assert next_midnight(wall.timestamp()) == reset


async def test_an_exhausted_quota_tells_when_it_resets() -> None:
    """45009 of the endpoint tells the next midnight in UTC+8; 101003, which may be a pack, tells nothing."""
    clock = wxcv.ManualClock()
    for quota, reset in ((Quota(per_day=0), next_midnight(clock.wall())), (Quota(market=0), None)):
        async with Sandbox(quota=quota) as box:
            credential = wxcv.AppCredential(box.appid, box.secret)
            async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
                with pytest.raises(wxcv.QuotaExhaustedError) as caught:
                    await session.printed_text(PICTURE)
        assert caught.value.resets_at == reset


async def test_a_days_quota_of_tokens_does_not_tell_when_the_images_are_reset() -> None:
    """45009 of a token request has no resets_at."""

    async def token_page(request: web.Request) -> web.Response:
        await request.read()
        return answer(errcode=45009, errmsg="limit")

    async with (
        api_server(ok, token_page) as url,
        wxcv.Session(wxcv.AppCredential("a", "s"), base_url=url) as session,
    ):
        with pytest.raises(wxcv.QuotaExhaustedError) as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.resets_at is None


def test_a_token_function_gets_the_refused_token() -> None:
    """A token function is called with the refused token, or None, and gives the token and its life."""

    async def central(refused: str | None) -> wxcv.AccessToken:
        raise AssertionError(refused)

    credential = wxcv.CallbackCredential(central)
    steps, token = run(credential.refresh(RefreshRequest(refused="MARKED-OLD")), wxcv.AccessToken("T", 100.0))

    assert steps == [CallFunction(central, ("MARKED-OLD",))]
    assert (token.value, token.expires_in, token.kind) == ("T", 100.0, "callback")
    for wrong in ("T", None, wxcv.AccessToken("T", -1), wxcv.AccessToken("", 5)):
        with pytest.raises(wxcv.TokenSourceError):
            run(credential.refresh(ASKED), wrong)
    with pytest.raises(TypeError, match="function"):
        wxcv.CallbackCredential("T")  # type: ignore[arg-type]
