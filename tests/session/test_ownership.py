"""Whose a session is, and how it ends: event loops, processes, token functions, Ctrl-C, and nobody at all."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP, TOKEN
from support.pictures import PICTURE
from support.servers import answer, api_server

import wxcv
from wxcv.sandbox import Choices, Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aiohttp import web


class Holding:
    """Holds every call until it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer when it is let."""
        await request.read()
        self.arrived.release()
        await self.go.wait()
        return answer(errcode=0, code_results=[])


USES: dict[str, Callable[[wxcv.Session], Awaitable[object]]] = {
    "scan_qrcode": lambda session: session.scan_qrcode(PICTURE),
    "printed_text": lambda session: session.printed_text(PICTURE),
    "call": lambda session: session.call(wxcv.SCAN_QRCODE, PICTURE),
    "batch": lambda session: anext(session.batch(wxcv.SCAN_QRCODE, [PICTURE])),
    "token": lambda session: session.token(),
    "aclose": lambda session: session.aclose(),
}


@pytest.mark.parametrize("use", USES)
async def test_another_event_loop_is_refused_and_no_slot_is_lost(use: str) -> None:
    """While all slots are held, a second event loop in a thread gets an error, and no slot is lost."""
    holding = Holding()
    async with (
        api_server(holding.call) as url,
        wxcv.Session(APP, base_url=url, concurrency=1) as session,
    ):
        running = asyncio.create_task(session.scan_qrcode(PICTURE))
        await holding.arrived.acquire()

        async def elsewhere() -> None:
            with pytest.raises(wxcv.SessionClosedError, match="another event loop"):
                await asyncio.wait_for(USES[use](session), 30)

        await asyncio.to_thread(asyncio.run, elsewhere())
        holding.go.set()
        await running

        assert (await session.scan_qrcode(PICTURE)).code_results == ()
        assert (session.stats().running, session.stats().waiting) == (0, 0)


@pytest.mark.parametrize("use", USES)
def test_a_forked_child_is_refused(use: str) -> None:
    """A forked child that uses a live session of its parent gets an error at once."""

    async def in_child(session: wxcv.Session) -> str:
        try:
            await asyncio.wait_for(USES[use](session), 30)
        except wxcv.SessionClosedError as error:
            return str(error)
        return "no error"

    async def in_parent() -> str:
        async with Sandbox() as box:
            credential = wxcv.AppCredential(box.appid, box.secret)
            async with wxcv.Session(credential, base_url=box.base_url) as session:
                await session.scan_qrcode(PICTURE)
                reading, writing = os.pipe()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # newer Pythons warn of a fork beside threads
                    child = os.fork()
                if child == 0:
                    told = []
                    thread = threading.Thread(target=lambda: told.append(asyncio.run(in_child(session))))
                    thread.start()
                    thread.join()
                    os.write(writing, told[0].encode())
                    os._exit(0)
                os.close(writing)
                os.waitpid(child, 0)  # noqa: ASYNC222 - there is nothing else to do
                with os.fdopen(reading) as pipe:
                    told_by_child = pipe.read()
                await session.scan_qrcode(PICTURE)  # the parent's goes on
                return told_by_child

    assert "belongs to the parent process; open a new session" in asyncio.run(in_parent())


async def test_a_session_whose_event_loop_is_gone_can_be_closed() -> None:
    """After the event loop of a session has been closed, another one may close the session."""
    async with Sandbox() as box:
        session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
        await asyncio.to_thread(asyncio.run, session.scan_qrcode(PICTURE))  # type: ignore[arg-type] # a coroutine
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # asyncio warns of connections that died with their event loop
            await session.aclose()
            gc.collect()

        with pytest.raises(wxcv.SessionClosedError):
            await session.scan_qrcode(PICTURE)


async def in_group(closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Await it as a task of a group."""
    async with asyncio.TaskGroup() as group:
        group.create_task(closing())


WAYS: dict[str, Callable[[Callable[[], Coroutine[Any, Any, None]]], Awaitable[object]]] = {
    "itself": lambda closing: closing(),
    "in a task": lambda closing: asyncio.create_task(closing()),
    "gathered": lambda closing: asyncio.gather(closing()),
    "in a group": in_group,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["token function", "on_refresh_token", "file object", "images"])
async def test_a_function_of_the_callers_may_close_the_session(kind: str, way: str) -> None:
    """aclose() within a token function, a callback, a file object or the images ends all calls at once."""
    async with Sandbox(choices=Choices(refresh_token_rotates=True)) as box:
        session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)

        async def close(*_arguments: object) -> bytes:
            await WAYS[way](lambda: session.aclose(grace=60))
            return PICTURE

        async def function(refused: str | None) -> wxcv.AccessToken:
            await close(refused)
            return wxcv.AccessToken(TOKEN, 100)

        if kind == "token function":
            session = wxcv.Session(wxcv.CallbackCredential(function), base_url=box.base_url)
        if kind == "on_refresh_token":
            component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, box.ticket)
            merchant = wxcv.AuthorizerCredential(
                component, "wxm", box.authorize("wxm"), on_refresh_token=close
            )
            session = wxcv.Session(merchant, base_url=box.base_url)
        image: object = type("File", (), {"read": close})() if kind == "file object" else PICTURE

        async def images():  # type: ignore[no-untyped-def] # noqa: ANN202 - of anything
            await close()
            yield PICTURE

        async def use() -> None:
            if kind == "images":
                async for outcome in session.batch(wxcv.SCAN_QRCODE, images()):
                    outcome.unwrap()
            else:
                await session.scan_qrcode(image)  # type: ignore[arg-type]

        for _ in range(2):
            with pytest.raises(wxcv.SessionClosedError):
                await asyncio.wait_for(use(), 30)


async def test_closing_waits_for_running_calls_however_often_the_session_was_idle() -> None:
    """After a session has been idle, aclose(grace=30) still waits for a call that runs."""
    holding = Holding()
    holding.go.set()
    async with api_server(holding.call) as url:
        session = wxcv.Session(APP, base_url=url)
        for _ in range(2):
            await session.scan_qrcode(PICTURE)
            await holding.arrived.acquire()
        holding.go.clear()
        running = asyncio.create_task(session.scan_qrcode(PICTURE))
        await holding.arrived.acquire()
        closing = asyncio.create_task(session.aclose(grace=30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not closing.done()
        holding.go.set()

        assert (await running).code_results == ()
        await closing


CTRL_C = """
import asyncio, sys
import wxcv

async def main():
    async with wxcv.Session(wxcv.AppCredential("wx1", "s"), base_url=sys.argv[1]) as session:
        async for outcome in session.batch(wxcv.SCAN_QRCODE, [b"\\x89PNG\\r\\n\\x1a\\n"] * 9):
            pass

asyncio.run(main())
"""


async def test_ctrl_c_ends_a_session_whose_token_endpoint_hangs() -> None:
    """Ctrl-C within ``async with Session`` ends calls that wait for a token without the rest of the grace."""
    hanging = Holding()
    async with api_server(hanging.call, hanging.call) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CTRL_C, url),
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            await hanging.arrived.acquire()
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(8):  # the grace of 10 s and the refresh's 10 s are not waited for
                _, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        hanging.go.set()

    assert err.rstrip().endswith(b"KeyboardInterrupt")


async def test_a_session_that_nobody_closes_warns_in_its_own_name() -> None:
    """A dropped session is one ResourceWarning that names wxcv.Session, and its connections are closed."""
    async with Sandbox() as box:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
            await session.scan_qrcode(PICTURE)
            del session
            gc.collect()
            await asyncio.sleep(0)

    assert [str(one.message) for one in told if one.category is ResourceWarning] == [
        "unclosed wxcv.Session; use it as `async with Session(...)`, or await its aclose()"
    ]


async def test_a_session_that_was_never_used_is_dropped_silently() -> None:
    """A session that has opened nothing needs no closing, and one that was half made has a repr."""
    session = wxcv.Session(APP)
    del session
    gc.collect()

    assert repr(object.__new__(wxcv.Session)) == "<Session 'without credential'>"


async def test_a_task_that_a_finished_call_began_closes_like_any_other() -> None:
    """A task that outlived the function that started it, and closes the session, waits for running calls."""
    holding, later = Holding(), asyncio.Event()
    closing: list[asyncio.Task[None]] = []

    async def close_later() -> None:
        await later.wait()
        await session.aclose(grace=30)

    async def function(_refused: str | None) -> wxcv.AccessToken:
        closing.append(asyncio.create_task(close_later()))
        return wxcv.AccessToken(TOKEN, 7200)

    async with api_server(holding.call) as url:
        session = wxcv.Session(wxcv.CallbackCredential(function), base_url=url)
        running = asyncio.create_task(session.scan_qrcode(PICTURE))
        await holding.arrived.acquire()
        later.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not closing[0].done()
        holding.go.set()

        assert (await running).code_results == ()
        await closing[0]
