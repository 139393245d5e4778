"""What a session tells of itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.pages import QRCODE
from support.pictures import PICTURE
from support.servers import answer, api_server
from support.tokens import turn

import wxcv
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox


async def test_stats_count_what_was_done(box: Sandbox) -> None:
    """Calls, sends, retries, refreshes and bytes are counted, whichever account they are for."""
    box.fail_next(QRCODE, Fault(status=503), None, Fault(errcode=40001))
    credential = wxcv.AppCredential(box.appid, box.secret)
    quick = wxcv.RetryPolicy(base=0.01)
    async with wxcv.Session(credential, base_url=box.base_url, retries=quick) as session:
        empty = session.stats()
        other = session.on_behalf_of(wxcv.AppCredential(box.appid, box.secret, stable=False))
        await session.scan_qrcode(PICTURE)
        await other.scan_qrcode(PICTURE)
        with pytest.raises(wxcv.ImageError):
            await session.scan_qrcode(b"")
        stats = other.stats()

    assert empty == wxcv.SessionStats(
        running=0, waiting=0, calls=0, sends=0, retries=0, refreshes=0, bytes_sent=0
    )
    # 503 and its repetition; 40001 and its repetition with another token.
    assert (stats.calls, stats.sends, stats.retries) == (3, 4, 2)
    assert stats.refreshes == 3
    assert stats.bytes_sent == 4 * len(PICTURE)
    assert (empty.sends_by_endpoint, stats.sends_by_endpoint) == ({}, {QRCODE: 4})


async def test_stats_tell_what_runs_and_waits() -> None:
    """Calls with a slot are running, and those without one waiting, until they are done or cancelled."""
    go = asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        await go.wait()
        return answer(errcode=0, code_results=[])

    async with (
        api_server(call) as url,
        wxcv.Session(wxcv.StaticTokenCredential("t"), base_url=url, concurrency=2, max_waiting=3) as session,
    ):
        calls = [asyncio.create_task(session.scan_qrcode(PICTURE)) for _ in range(5)]
        await turn()
        assert (session.stats().running, session.stats().waiting) == (2, 3)
        with pytest.raises(wxcv.SlotTimeoutError) as caught:
            await session.scan_qrcode(PICTURE)
        calls[4].cancel()
        await asyncio.sleep(0)
        assert (session.stats().running, session.stats().waiting) == (2, 2)
        go.set()
        await asyncio.gather(*calls, return_exceptions=True)

        assert (session.stats().running, session.stats().waiting, session.stats().calls) == (0, 0, 4)
    assert (caught.value.sends, caught.value.retryable, caught.value.account_wide) == (0, True, False)
