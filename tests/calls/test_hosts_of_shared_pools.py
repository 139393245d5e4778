"""Other hosts of the API with a borrowed ClientSession: waiting for its pool is no failure of a host."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.accounts import STATIC
from support.hosts import Peer, peer
from support.pictures import PICTURE
from support.raw_calls import until
from support.timeouts import age_attempts, end_attempts
from support.tokens import turn

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ONCE = wxcv.RetryPolicy(attempts=1)


@asynccontextmanager
async def busy_pool(main: Peer) -> AsyncIterator[aiohttp.ClientSession]:
    """Make a ClientSession whose only connection is used by a request that the host answers later."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        main.may_answer.clear()
        request = asyncio.create_task(http.post(main.url, data=b"x"))
        await until(lambda: main.bodies)
        yield http
        await request


@pytest.mark.parametrize("ended_by", ["caller", "attempt_timeout"])
async def test_waiting_for_a_borrowed_pool_is_no_failure_of_the_host(
    ended_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that ends while it waits for somebody else's connection leaves the main host in use."""
    async with (
        peer() as main,
        peer() as other,
        busy_pool(main) as http,
        wxcv.Session(STATIC, base_url=main.url, fallback_urls=[other.url], http=http, retries=ONCE) as opened,
    ):
        transport = opened._state.transport
        waiting = asyncio.create_task(opened.scan_qrcode(PICTURE))
        await until(lambda: transport._deadlines.active)
        await turn(20)
        age_attempts(transport, 10)
        if ended_by == "caller":
            waiting.cancel()
        else:
            end_attempts(transport)
        with pytest.raises((asyncio.CancelledError, wxcv.ConnectError)):
            await waiting
        main.may_answer.set()
        await opened.scan_qrcode(PICTURE)

        assert (main.bodies, other.bodies, caplog.records) == (2, 0, [])


@pytest.mark.parametrize("fault", ["refuses", "ignores the handshake", "does not accept"])
async def test_a_host_that_cannot_be_reached_fails_with_a_borrowed_session_too(fault: str) -> None:
    """However short attempt_timeout is, a call moves on, and the next one starts at the other host."""
    async with (
        peer(fault) as main,
        peer() as other,
        aiohttp.ClientSession() as http,
        wxcv.Session(
            STATIC,
            base_url=main.url,
            fallback_urls=[other.url],
            http=http,
            retries=ONCE,
            attempt_timeout=1.0,
        ) as opened,
    ):
        await opened.scan_qrcode(PICTURE)
        connections = main.connections
        await opened.scan_qrcode(PICTURE)

        assert (main.connections, other.bodies) == (connections, 2)
