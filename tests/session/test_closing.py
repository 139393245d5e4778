"""A session that is closed while something goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.accounts import APP, TOKEN
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web


from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox


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

    async def token_page(self, request: web.Request) -> web.StreamResponse:
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
        running = asyncio.create_task(session.scan_qrcode(BLANK))
        await gate.arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        with pytest.raises(wxcv.SessionClosedError):
            await session.token()
        with pytest.raises(wxcv.SessionClosedError):
            await session.scan_qrcode(BLANK)
        with pytest.raises(wxcv.SessionClosedError):
            await anext(session.batch(wxcv.SCAN_QRCODE, [BLANK]))
        gate.go.set()

        assert (await running).code_results == ()
        await closing


async def test_a_call_that_waits_for_its_token_has_the_grace_too() -> None:
    """If a session is closed while a token is fetched, the calls that wait for it are still made."""
    gate = Gate()
    async with api_server(at_once, gate.token_page) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(BLANK))
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


async def test_a_closed_session_refuses_calls(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A call on a closed session is a SessionClosedError, and closing twice is allowed."""
    session = wxcv.Session(credential, base_url=box.base_url)
    async with session:
        await session.scan_qrcode(pictures.qr_png("x"))
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await session.scan_qrcode(pictures.qr_png("x"))


async def test_closing_lets_calls_in_flight_finish() -> None:
    """A call in flight within the grace ends with its answer."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        arrived.set()
        await go.wait()
        return answer(errcode=0, code_results=[])

    async with api_server(call) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        go.set()

        assert (await running).code_results == ()
        await closing


async def test_closing_ends_calls_after_the_grace_and_a_refresh_in_flight() -> None:
    """Without grace, a call that waits for a token ends in SessionClosedError and no task is left."""
    asked = asyncio.Event()

    async def token_page(_request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(token_page, token_page) as url:
        before = asyncio.all_tasks()
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await asked.wait()
        await session.aclose(grace=0)
        with pytest.raises(wxcv.SessionClosedError):
            await running

        assert not [task for task in asyncio.all_tasks() - before if "wxcv" in task.get_name()]


async def test_a_borrowed_http_session_stays_open(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A session over a caller's own ClientSession works and leaves it open."""
    async with aiohttp.ClientSession() as http:
        async with wxcv.Session(credential, base_url=box.base_url, http=http) as session:
            await session.scan_qrcode(pictures.qr_png("x"))
        assert not http.closed


async def test_closing_that_is_cancelled_closes_all_the_same() -> None:
    """If aclose is cancelled while it waits for a call, the call is ended and the HTTP session closed."""
    arrived = asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(call) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        with pytest.raises(wxcv.SessionClosedError):
            await running

        assert session._state.transport._http is not None
        assert session._state.transport._http.closed


def test_a_session_of_an_ended_loop_is_told() -> None:
    """A session used in a second event loop is a SessionClosedError that says so."""
    session = wxcv.Session(wxcv.StaticTokenCredential("t"), base_url="http://127.0.0.1:9")

    async def use() -> str:
        with pytest.raises(wxcv.WxcvError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))
        return str(caught.value)

    async def use_and_close() -> str:
        said = await use()
        assert session._state.transport._http is not None
        await session._state.transport._http.close()
        return said

    assert "cannot reach" in asyncio.run(use_and_close())
    assert "another event loop" in asyncio.run(use())
