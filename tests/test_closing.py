"""A session that is closed while something goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pictures
import pytest
from servers import TOKEN, answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

APP = wxcv.AppCredential("wx1", "MARKED-SECRET")
PICTURE = pictures.blank_png()


class Gate:
    """Handlers that wait until they are let through."""

    def __init__(self) -> None:
        self.arrived, self.go = asyncio.Event(), asyncio.Event()

    async def _wait(self, request: web.Request) -> None:
        await request.read()
        self.arrived.set()
        await self.go.wait()

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call."""
        await self._wait(request)
        return answer(errcode=0, code_results=[])

    async def mint(self, request: web.Request) -> web.StreamResponse:
        """Answer a token request."""
        await self._wait(request)
        return answer(access_token=TOKEN, expires_in=7200)


async def at_once(request: web.Request) -> web.StreamResponse:
    """Answer a call."""
    await request.read()
    return answer(errcode=0, code_results=[])


async def test_a_session_that_is_being_closed_takes_nothing_new() -> None:
    """While calls in flight are waited for, new calls, batches and token() raise SessionClosedError."""
    gate = Gate()
    async with api_server(gate.call) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(PICTURE))
        await gate.arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        with pytest.raises(wxcv.SessionClosedError):
            await session.token()
        with pytest.raises(wxcv.SessionClosedError):
            await session.scan_qrcode(PICTURE)
        with pytest.raises(wxcv.SessionClosedError):
            await anext(session.batch(wxcv.SCAN_QRCODE, [PICTURE]))
        gate.go.set()

        assert (await running).code_results == ()
        await closing


async def test_a_call_that_waits_for_its_token_has_the_grace_too() -> None:
    """If a session is closed while a token is fetched, the calls that wait for it are still made."""
    gate = Gate()
    async with api_server(at_once, gate.mint) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(PICTURE))
        await gate.arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        gate.go.set()

        assert (await running).code_results == ()
        await closing


class Watched(wxcv.Session):
    """A session that tells how it is closed."""

    graces: list[float]

    async def aclose(self, grace: float = 10.0) -> None:
        """Note the grace, and close."""
        self.graces = [*getattr(self, "graces", []), grace]
        await super().aclose(grace)


@pytest.mark.parametrize(
    ("raised", "grace"),
    [(None, 10.0), (ZeroDivisionError, 10.0), (asyncio.CancelledError, 1.0), (KeyboardInterrupt, 1.0)],
)
async def test_a_block_that_is_cancelled_leaves_calls_one_second(
    raised: type[BaseException] | None, grace: float
) -> None:
    """The end of the block leaves calls in flight 10 s, also an error; the end of the program 1 s."""
    session = Watched(APP)
    await session.__aenter__()
    await session.__aexit__(raised, raised() if raised else None, None)

    assert session.graces == [grace]


async def test_closing_does_not_wait_for_a_disk() -> None:
    """A reader thread that is still busy with a file does not hold up aclose()."""
    session, go = wxcv.Session(APP), threading.Event()
    reading = session._state.reader_threads.submit(go.wait, 30)
    await session.aclose()

    assert not reading.done()
    go.set()


def test_a_session_of_an_ended_loop_is_closed_without_waiting_for_a_disk() -> None:
    """To close a session whose event loop has ended does not wait for a reader thread either."""
    session, go = wxcv.Session(APP), threading.Event()

    async def use() -> None:
        session._state.bind_to_running_loop()

    asyncio.run(use())
    reading = session._state.reader_threads.submit(go.wait, 30)
    asyncio.run(session.aclose())

    assert not reading.done()
    go.set()
