"""What on_attempt and the log are told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support import pictures
from support.accounts import APP, TOKEN
from support.pages import QRCODE
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox


async def test_every_attempt_is_told_to_on_attempt() -> None:
    """on_attempt hears of each attempt: path, number, status, errcode, bytes and seconds."""
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

    assert [(e.path, e.attempt, e.status, e.errcode, e.bytes) for e in events] == [
        (QRCODE, 1, 200, 42001, len(picture)),
        (QRCODE, 2, 200, 0, len(picture)),
    ]
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

    assert [(event.attempt, event.status, event.errcode) for event in events] == [
        (1, None, None),
        (2, None, None),
    ]


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
