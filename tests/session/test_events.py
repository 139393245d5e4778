"""What on_attempt and the log are told."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support import pictures
from support.accounts import APP, TOKEN
from support.pages import QRCODE
from support.same_image import Server
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox


async def test_every_attempt_is_told_to_on_attempt() -> None:
    """on_attempt hears of each attempt: path, number, status, errcode, bytes, seconds, server and error."""
    events: list[wxcv.AttemptEvent] = []
    picture = pictures.qr_png("x")

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0 if len(events) else 42001, errmsg="expired", code_results=[])

    async def token_page(_request: web.Request) -> web.StreamResponse:
        return answer(access_token=f"T{len(events)}", expires_in=7200)

    async with (
        api_server(call, token_page) as url,
        wxcv.Session(APP, base_url=url, on_attempt=events.append) as session,
    ):
        await session.scan_qrcode(picture)

    assert [(e.path, e.attempt, e.status, e.errcode, e.bytes, e.error) for e in events] == [
        (QRCODE, 1, 200, 42001, len(picture), "TokenRejectedError"),
        (QRCODE, 2, 200, 0, len(picture), None),
    ]
    assert {event.base_url for event in events} == {url}
    assert all(event.seconds > 0 for event in events)


async def test_an_attempt_without_answer_is_told_too() -> None:
    """on_attempt hears of an attempt that failed on the way, without status and errcode."""
    events: list[wxcv.AttemptEvent] = []

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return answer()

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, on_attempt=events.append) as session:
        with pytest.raises(wxcv.AnswerLostError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert [(event.attempt, event.status, event.errcode, event.error) for event in events] == [
        (1, None, None, "AnswerLostError"),
        (2, None, None, "AnswerLostError"),
    ]
    assert {event.base_url for event in events} == {url}


async def test_a_hook_that_raises_does_not_harm_the_call(
    box: Sandbox, credential: wxcv.AppCredential, caplog: pytest.LogCaptureFixture
) -> None:
    """What on_attempt raises is logged, and the answer is given all the same."""

    def fail(_event: wxcv.AttemptEvent) -> None:
        raise ZeroDivisionError

    async with wxcv.Session(credential, base_url=box.base_url, on_attempt=fail) as session:
        assert (await session.scan_qrcode(pictures.qr_png("x"))).code_results

    assert "on_attempt raised" in caplog.text


async def test_attempts_are_logged_at_debug(session: wxcv.Session, caplog: pytest.LogCaptureFixture) -> None:
    """The logger wxcv tells of each attempt at DEBUG, without the token."""
    with caplog.at_level(logging.DEBUG, "wxcv"):
        await session.scan_qrcode(pictures.qr_png("x"))

    (record,) = [one for one in caplog.records if one.name == "wxcv"]
    assert QRCODE in record.getMessage()
    assert "token" not in record.getMessage()


async def test_a_trace_hook_that_raises_is_no_storm() -> None:
    """What a borrowed session's trace hook raises is an error of ours, after three tries for a token."""
    tokens_issued = 0

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens_issued
        tokens_issued += 1
        return answer(access_token=TOKEN, expires_in=7200)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(broken)
    async with (
        api_server(token_page, token_page) as url,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        wxcv.Session(APP, base_url=url, http=http) as session,
    ):
        with pytest.raises(wxcv.AnswerLostError, match="ZeroDivisionError"):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert tokens_issued == 3


# --- on_call


class Ready:
    """A source that knows every code."""

    name = "ready"

    async def find(self, *_call: object) -> Any:
        """Return an answer."""
        return wxcv.QrcodeScan()


def told(events: list[wxcv.CallEvent]) -> list[tuple[str, str, str | None, int]]:
    """Return what is exact in events."""
    return [(event.endpoint, event.status, event.source, event.sends) for event in events]


def errors(events: list[wxcv.CallEvent]) -> list[str | None]:
    """Return the errors of events."""
    return [event.error for event in events]


async def test_every_call_is_told_to_on_call(box: Sandbox) -> None:
    """on_call is told once of each call: endpoint, status, source and sends, also of those not sent."""
    events: list[wxcv.CallEvent] = []
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, on_call=events.append) as session:
        await session.scan_qrcode(pictures.qr_png("x"))
        with pytest.raises(wxcv.EmptyImageError):
            await session.printed_text(b"")
    with pytest.raises(wxcv.SessionClosedError):
        await session.scan_qrcode(pictures.qr_png("x"))
    async with wxcv.Session(credential, answer_sources=[Ready()], on_call=events.append) as session:
        await session.scan_qrcode(pictures.qr_png("x"))

    assert told(events) == [
        ("scan_qrcode", "ok", "wechat", 1),
        ("printed_text", "failed", None, 0),
        ("scan_qrcode", "not_sent", None, 0),
        ("scan_qrcode", "ok", "ready", 0),
    ]
    assert errors(events) == [None, "EmptyImageError", "SessionClosedError", None]


async def test_every_outcome_is_told_to_on_call() -> None:
    """on_call is told of every image of a batch as its outcome is, also of those that were never tried."""
    events: list[wxcv.CallEvent] = []

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=45009, errmsg="reach max api daily quota limit")

    async with (
        api_server(call) as url,
        wxcv.Session(APP, base_url=url, on_call=events.append, concurrency=1) as session,
        session.batch(wxcv.SCAN_QRCODE, [b"", pictures.qr_png("x"), pictures.qr_png("y")]) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert [(event.status, event.sends) for event in events] == [
        ("failed", 0),
        ("failed", 1),
        ("not_sent", 0),
    ]
    assert [(outcome.status, outcome.sends) for outcome in outcomes] == [
        (event.status, event.sends) for event in events
    ]
    assert errors(events) == ["EmptyImageError", "QuotaExhaustedError", "QuotaExhaustedError"]


async def test_the_seconds_of_a_call_are_told() -> None:
    """on_call is told how long a call waited for its slot, and how long it took from there."""
    server, clock, events = Server(is_held=True), wxcv.ManualClock(), []

    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, concurrency=1, clock=clock, on_call=events.append) as session,
    ):
        first = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await server.arrived.acquire()
        second = asyncio.create_task(session.scan_qrcode(pictures.qr_png("y")))
        while not session.stats().waiting:
            await asyncio.sleep(0)
        clock.advance(3)
        server.go.set()
        await asyncio.gather(first, second)

    assert [(event.queued, event.seconds) for event in events] == [(0.0, 3.0), (3.0, 0.0)]


async def test_a_cancelled_call_is_told_to_on_call() -> None:
    """on_call is told of a call that its caller cancelled, and whether it was sent."""
    server = Server(is_held=True)
    events: list[wxcv.CallEvent] = []

    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, on_call=events.append) as session,
    ):
        task = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await server.arrived.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.go.set()

    assert told(events) == [("scan_qrcode", "cancelled", None, 1)]
    assert errors(events) == [None]


@pytest.mark.parametrize("error", [ValueError("MARKED"), asyncio.CancelledError("MARKED")], ids=repr)
@pytest.mark.parametrize("name", ["on_call_start", "on_call", "on_attempt"])
async def test_what_a_function_for_events_raises_is_dropped(
    name: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the functions for events raise is logged without its text, and the call has its answer."""

    def fail(_event: object) -> None:
        raise error

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, code_results=[])

    options: Any = {name: fail}
    async with api_server(call) as url, wxcv.Session(APP, base_url=url, **options) as session:
        assert await session.scan_qrcode(pictures.qr_png("x")) == wxcv.QrcodeScan()

    assert f"{name} raised {type(error).__name__} at " in caplog.text
    assert "MARKED" not in caplog.text
