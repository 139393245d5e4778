"""Calls that share a send with others may be cancelled."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from support import pictures
from support.accounts import APP
from support.pictures import BLANK
from support.same_image import Server, make_cached_session, start_calls, wait_until
from support.servers import api_server

import wxcv


@pytest.mark.parametrize("gone", [[0], [1], [0, 1, 2, 3]], ids=["the first", "a later one", "all but one"])
async def test_to_cancel_some_leaves_the_others(gone: list[int]) -> None:
    """Whichever of five calls is cancelled, even the one that sends, the others get the one answer."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        tasks = await start_calls(5, session)
        for index in gone:
            tasks[index].cancel()
        await asyncio.sleep(0)
        server.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [
        asyncio.CancelledError if index in gone else wxcv.QrcodeScan for index in range(5)
    ]
    assert server.calls == 1


async def test_to_cancel_some_before_anything_is_sent_leaves_the_others() -> None:
    """Whichever call is cancelled while the token is fetched, even the first, the others get the answer."""
    server, asked, go = Server(), asyncio.Event(), asyncio.Event()

    async def get_token(_refused: str | None) -> wxcv.AccessToken:
        asked.set()
        await go.wait()
        return wxcv.AccessToken("T1", 7200, "callback")

    credential = wxcv.CallbackCredential(get_token)
    async with (
        api_server(server.call) as url,
        wxcv.Session(credential, base_url=url, answer_sources=[wxcv.AnswerCache()]) as session,
    ):
        tasks = [asyncio.create_task(session.scan_qrcode(BLANK)) for _ in range(4)]
        await asked.wait()
        await wait_until(lambda: session.stats().calls == 4)
        tasks[0].cancel()
        tasks[2].cancel()
        await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    cancelled, answered = asyncio.CancelledError, wxcv.QrcodeScan
    assert [type(result) for result in results] == [cancelled, answered, cancelled, answered]
    assert server.calls == 1


class SlowToEnd:
    """A source that does not end at once when it is cancelled."""

    def __init__(self) -> None:
        self.asked, self.ending, self.end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def find(self, *_call: object) -> Any:
        """Wait to be cancelled, the first time."""
        if self.asked.is_set():
            return None
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ending.set()
            await self.end.wait()


async def test_nobody_joins_what_is_being_cancelled() -> None:
    """A call that begins while the shared call of its image is being cancelled starts another one."""
    server, source = Server(), SlowToEnd()
    sources = [wxcv.AnswerCache(), source]
    async with api_server(server.call) as url, make_cached_session(url, answer_sources=sources) as session:
        first = asyncio.create_task(session.scan_qrcode(BLANK))
        await source.asked.wait()
        first.cancel()
        await source.ending.wait()
        assert (await session.scan_qrcode(BLANK)).code_results
        source.end.set()
        await wait_until(lambda: session.stats().running == 0)

    assert server.calls == 1


async def test_what_was_sent_for_nobody_is_kept_for_the_next() -> None:
    """If all callers are cancelled after the send, the call is finished, and the next one is not sent."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        tasks = await start_calls(3, session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert session.stats().running == 1
        server.go.set()
        await wait_until(lambda: session.stats().running == 0)
        await session.scan_qrcode(BLANK)

    assert server.calls == 1


async def test_what_was_not_sent_is_not_sent_for_nobody() -> None:
    """If all callers are cancelled before the send, nothing is sent, and the next call is not affected."""
    server, asked, refreshes = Server(), asyncio.Event(), 0

    async def get_token(_refused: str | None) -> wxcv.AccessToken:
        nonlocal refreshes
        refreshes += 1
        asked.set()
        await go.wait()
        return wxcv.AccessToken("T1", 7200, "callback")

    credential, go = wxcv.CallbackCredential(get_token), asyncio.Event()
    async with (
        api_server(server.call) as url,
        wxcv.Session(credential, base_url=url, answer_sources=[wxcv.AnswerCache()]) as session,
    ):
        tasks = [asyncio.create_task(session.scan_qrcode(BLANK)) for _ in range(3)]
        await asked.wait()
        await wait_until(lambda: session.stats().calls == 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await wait_until(lambda: session.stats().running == 0)
        last = asyncio.create_task(session.scan_qrcode(BLANK))
        await wait_until(lambda: session.stats().calls == 4)
        assert server.calls == 0
        go.set()
        await last
        await wait_until(lambda: session.stats().running == 0)

    assert server.calls == 1


class CancelsNext:
    """A source that cancels wxcv's own task before its first step."""

    async def find(self, *_call: object) -> Any:
        """Cancel all such tasks as soon as the current step of the event loop is over."""
        asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "wxcv shared call":
                task.cancel()


async def test_a_shared_call_that_never_began_leaves_its_slot() -> None:
    """If wxcv's own task is cancelled before its first step, its caller ends and frees the only slot."""
    server = Server()
    sources = [CancelsNext(), wxcv.AnswerCache()]
    async with (
        api_server(server.call) as url,
        make_cached_session(url, answer_sources=sources, concurrency=1) as session,
    ):
        with pytest.raises(asyncio.CancelledError):
            await session.scan_qrcode(BLANK)
        assert session.stats().running == 0

    assert server.calls == 0


async def test_a_program_that_ends_in_the_middle_leaves_nothing() -> None:
    """If every task is cancelled at once, as at the end of a program, calls end and all slots are free."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        tasks = await start_calls(4, session)
        shared_call = next(iter(session._state.shared_calls._open.values()))
        for task in (*tasks, shared_call.task):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await wait_until(lambda: session.stats().running == 0)
        server.go.set()

    assert {type(result) for result in results} == {asyncio.CancelledError}


async def test_a_shared_call_that_ends_from_elsewhere_is_an_error_for_those_who_wait() -> None:
    """If wxcv's own task is cancelled, all waiting callers get CancelledError."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        tasks = await start_calls(4, session)
        next(iter(session._state.shared_calls._open.values())).task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        server.go.set()
        await session.scan_qrcode(BLANK)

    assert {type(result) for result in results} == {asyncio.CancelledError}
    assert server.calls == 2


async def test_thousands_of_calls_that_are_cancelled_at_random_send_each_image_once() -> None:
    """2,000 calls of 100 images, a third of them cancelled, make at most 100 sends and free all slots."""
    server, chance = Server(), random.Random(7)  # noqa: S311 - no secret
    images = [pictures.qr_png(f"image {number}") for number in range(100)]
    async with api_server(server.call) as url, make_cached_session(url, concurrency=10) as session:

        async def call(number: int) -> None:
            task = asyncio.create_task(session.scan_qrcode(images[number % 100]))
            if chance.random() < 1 / 3:
                for _ in range(chance.randrange(60)):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async with asyncio.timeout(60):
            await asyncio.gather(*map(call, range(2000)))
            await wait_until(lambda: session.stats().running == 0)
        stats = session.stats()

    assert server.calls == stats.sends == 100
    assert stats.waiting == 0


@pytest.mark.parametrize(
    ("errcode", "when"),
    [(-1, "during the first request"), (-1, "before the second one"), (40001, "during the first request")],
)
async def test_nothing_is_sent_again_for_nobody(errcode: int, when: str) -> None:
    """If all callers are gone, a busy answer or a refused token ends the work, and the slot is free."""
    server, clock = Server(errcode, is_held=True), wxcv.ManualClock()
    policy = wxcv.RetryPolicy(attempts=5, base=8)
    sources = [wxcv.AnswerCache()]
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, retries=policy, answer_sources=sources, clock=clock) as session,
    ):
        tasks = await start_calls(3, session)
        if when == "before the second one":
            server.go.set()
            await wait_until(lambda: session._state.shared_calls._running)
            report = next(iter(session._state.shared_calls._running)).report
            await wait_until(lambda: not report.unanswered)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.go.set()
        async with asyncio.timeout(20):
            while session.stats().running:
                await asyncio.sleep(0.001)
                clock.advance(1)

    assert server.calls == 1


class Closes:
    """A source that closes its session, which it cannot wait for itself.

    Args:
        method: in which it does so.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self.session: wxcv.Session | None = None

    async def find(self, *_call: object) -> Any:
        """Close the session, or know nothing."""
        if self.method == "find":
            await self._close()

    async def keep(self, *_call: object) -> None:
        """Close the session, or keep nothing."""
        if self.method == "keep":
            await self._close()

    async def _close(self) -> None:
        assert self.session is not None
        await self.session.aclose()


@pytest.mark.parametrize("method", ["find", "keep"])
@pytest.mark.parametrize("is_cached", [True, False], ids=["cache", "no cache"])
async def test_a_source_may_close_its_own_session(method: str, *, is_cached: bool) -> None:
    """A source that closes the session ends the call before its send, or after it has its answer."""
    server, source = Server(), Closes(method)
    sources = [wxcv.AnswerCache(), source] if is_cached else [source]
    async with api_server(server.call) as url, make_cached_session(url, answer_sources=sources) as session:
        source.session = session
        async with asyncio.timeout(20):
            call = asyncio.create_task(session.scan_qrcode(BLANK))
            await asyncio.gather(call, return_exceptions=True)
            await session.aclose()

    assert server.calls == (0 if method == "find" else 1)
    assert type(call.exception()) is (wxcv.SessionClosedError if method == "find" else type(None))


class CancelsAndKnows:
    """A source that cancels a task before it returns an answer."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []

    async def find(self, *_call: object) -> Any:
        """Cancel the tasks, and return an answer."""
        self.asked.set()
        await self.go.wait()
        for task in self.tasks:
            task.cancel()
        return wxcv.QrcodeScan()


async def test_who_is_cancelled_when_the_answer_comes_disturbs_nobody() -> None:
    """A call that is cancelled at the moment of the answer ends so, and the others get the answer."""
    source = CancelsAndKnows()
    sources = [wxcv.AnswerCache(), source]
    async with make_cached_session("http://127.0.0.1:9", answer_sources=sources) as session:
        calls = [asyncio.create_task(session.scan_qrcode(BLANK)) for _ in range(3)]
        await source.asked.wait()
        await wait_until(lambda: session.stats().calls == 3 and session.stats().running == 1)
        source.tasks.append(calls[1])
        source.go.set()
        results = await asyncio.gather(*calls, return_exceptions=True)

    answered = wxcv.QrcodeScan
    assert [type(result) for result in results] == [answered, asyncio.CancelledError, answered]
