"""Calls of the same image that run at the same time share one send."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import QUICK, STATIC
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

URL = "https://example.com/a.png"


class Server:
    """Answers every upload when it may, and counts them.

    Args:
        errcode: of its answers.
        is_open: whether it answers at once.
    """

    def __init__(self, errcode: int = 0, *, is_open: bool = False) -> None:
        self.errcode = errcode
        self.calls = 0
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        if is_open:
            self.go.set()

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call."""
        await request.read()
        self.calls += 1
        self.arrived.release()
        await self.go.wait()
        if self.errcode == -2:
            assert request.transport is not None
            request.transport.abort()
        return answer(errcode=self.errcode, errmsg="said", code_results=[], items=[])


def cached(url: str, **options: Any) -> wxcv.Session:
    """Make a session with a cache."""
    options.setdefault("answer_sources", [wxcv.AnswerCache()])
    return wxcv.Session(STATIC, base_url=url, retries=QUICK, **options)


async def until(condition: Any) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def started(count: int, session: wxcv.Session, image: object = BLANK) -> list[asyncio.Task[Any]]:
    """Start calls of an image, which all wait for the first one's answer."""
    first = asyncio.create_task(session.scan_qrcode(image))  # type: ignore[arg-type] # an image
    await until(lambda: session.stats().sends == 1)
    calls_before = session.stats().calls
    rest = [asyncio.create_task(session.scan_qrcode(image)) for _ in range(count - 1)]  # type: ignore[arg-type] # an image
    await until(lambda: session.stats().calls == calls_before + count - 1)
    await until(lambda: session.stats().running == 1)
    return [first, *rest]


@pytest.mark.parametrize("image", [BLANK, URL], ids=["bytes", "URL"])
async def test_calls_of_one_image_are_sent_once(image: object) -> None:
    """Twenty calls of one image at a time are one send, one slot and one answer for all."""
    server = Server()
    async with api_server(server.call) as url, cached(url, concurrency=2) as session:
        tasks = await started(20, session, image)
        assert (session.stats().running, session.stats().waiting) == (1, 0)
        server.go.set()
        answers = await asyncio.gather(*tasks)

    assert server.calls == 1
    assert {id(answer) for answer in answers} == {id(answers[0])}


async def test_those_who_wait_leave_their_slots_to_others() -> None:
    """While calls wait for another's answer, other images are read, even with one slot more than that."""
    server = Server()
    async with api_server(server.call) as url, cached(url, concurrency=2) as session:
        tasks = await started(10, session)
        other = asyncio.create_task(session.scan_qrcode(pictures.qr_png("other")))
        await until(lambda: server.calls == 2)
        server.go.set()
        await asyncio.gather(other, *tasks)


@pytest.mark.parametrize("gone", [[0], [1], [0, 1, 2, 3]], ids=["the first", "a later one", "all but one"])
async def test_to_cancel_some_leaves_the_others(gone: list[int]) -> None:
    """Whoever of five is cancelled, also the one that sends, the others get the answer of the one send."""
    server = Server()
    async with api_server(server.call) as url, cached(url) as session:
        tasks = await started(5, session)
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
    """Whoever is cancelled while the token is fetched, also the first, the others get their answer."""
    server, asked, go = Server(is_open=True), asyncio.Event(), asyncio.Event()

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
        await until(lambda: session.stats().calls == 4)
        tasks[0].cancel()
        tasks[2].cancel()
        await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    cancelled, answered = asyncio.CancelledError, wxcv.QrcodeScan
    assert [type(result) for result in results] == [cancelled, answered, cancelled, answered]
    assert server.calls == 1


class SlowToEnd:
    """A source that takes its time when it is cancelled."""

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
    """A call that comes while the work for an image is being cancelled has it done anew."""
    server, source = Server(is_open=True), SlowToEnd()
    sources = [wxcv.AnswerCache(), source]
    async with api_server(server.call) as url, cached(url, answer_sources=sources) as session:
        first = asyncio.create_task(session.scan_qrcode(BLANK))
        await source.asked.wait()
        first.cancel()
        await source.ending.wait()
        assert await session.scan_qrcode(BLANK) == wxcv.QrcodeScan()
        source.end.set()
        await until(lambda: session.stats().running == 0)

    assert server.calls == 1


async def test_what_was_sent_for_nobody_is_kept_for_the_next() -> None:
    """If all callers are gone, an image that was sent is read to its end, and the next call is not sent."""
    server = Server()
    async with api_server(server.call) as url, cached(url) as session:
        tasks = await started(3, session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert session.stats().running == 1
        server.go.set()
        await until(lambda: session.stats().running == 0)
        await session.scan_qrcode(BLANK)

    assert server.calls == 1


async def test_what_was_not_sent_is_not_sent_for_nobody() -> None:
    """If all callers are gone before the image is sent, it is not sent; who calls next is not disturbed."""
    server, asked, refreshes = Server(is_open=True), asyncio.Event(), 0

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
        await until(lambda: session.stats().calls == 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: session.stats().running == 0)
        last = asyncio.create_task(session.scan_qrcode(BLANK))
        await until(lambda: session.stats().calls == 4)
        assert server.calls == 0
        go.set()
        await last
        await until(lambda: session.stats().running == 0)

    assert server.calls == 1


class CancelsNext:
    """A source that has wxcv's own task cancelled before its first step."""

    async def find(self, *_call: object) -> Any:
        """Have all such tasks cancelled that exist when the running step is over."""
        asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "wxcv shared call":
                task.cancel()


async def test_a_flight_that_never_began_leaves_its_slot() -> None:
    """If wxcv's own task is cancelled before its first step, its caller ends and the only slot is free."""
    server = Server(is_open=True)
    sources = [CancelsNext(), wxcv.AnswerCache()]
    async with api_server(server.call) as url, cached(url, answer_sources=sources, concurrency=1) as session:
        with pytest.raises(asyncio.CancelledError):
            await session.scan_qrcode(BLANK)
        assert session.stats().running == 0

    assert server.calls == 0


async def test_a_failure_is_everybodys_and_sent_once() -> None:
    """All get the failure of the one send, each its own error; only the one that sent has sends."""
    server = Server(errcode=40009)
    async with api_server(server.call) as url, cached(url) as session:
        named = [wxcv.ImageBytes(BLANK, name=f"{index}.png") for index in range(4)]
        first = asyncio.create_task(session.scan_qrcode(named[0]))
        await until(lambda: session.stats().sends == 1)
        rest = [asyncio.create_task(session.scan_qrcode(image)) for image in named[1:]]
        await until(lambda: session.stats().calls == 4)
        server.go.set()
        errors: list[Any] = await asyncio.gather(first, *rest, return_exceptions=True)

    assert {type(error) for error in errors} == {wxcv.ImageRejectedError}
    assert [(error.sends, error.image) for error in errors] == [
        (1, "0.png"),
        (0, "1.png"),
        (0, "2.png"),
        (0, "3.png"),
    ]
    assert server.calls == 1


async def test_unknown_is_unknown_for_all() -> None:
    """If the one send gets no response, each of the same images of a batch is "unknown", and sent once."""
    server = Server(errcode=-2)
    policy = wxcv.RetryPolicy(at_most_once=True)
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, retries=policy, answer_sources=[wxcv.AnswerCache()]) as session,
        session.batch(wxcv.SCAN_QRCODE, [BLANK] * 6) as batch,
    ):
        consumer = asyncio.ensure_future(_outcomes(batch))
        await until(lambda: session.stats().calls == 6)
        server.go.set()
        outcomes = await consumer

    assert {outcome.status for outcome in outcomes} == {"unknown"}
    assert sorted(outcome.sends for outcome in outcomes) == [0, 0, 0, 0, 0, 1]
    assert server.calls == 1


async def _outcomes(batch: wxcv.Batch[Any, Any]) -> list[Any]:
    return [outcome async for outcome in batch]


async def test_outcomes_tell_who_sent() -> None:
    """Of ten equal images in a batch one comes from WeChat, with a send, and nine from the cache."""
    server = Server(is_open=True)
    async with (
        api_server(server.call) as url,
        cached(url) as session,
        session.batch(wxcv.SCAN_QRCODE, [BLANK] * 10) as batch,
    ):
        outcomes = await _outcomes(batch)

    told = sorted((outcome.source, outcome.sends) for outcome in outcomes)
    assert told == [("cache", 0)] * 9 + [("wechat", 1)]


async def test_closing_the_session_ends_all_who_wait() -> None:
    """To close the session ends the one that sends and all who wait for it with SessionClosedError."""
    server = Server()
    async with api_server(server.call) as url:
        session = cached(url)
        tasks = await started(5, session)
        await session.aclose(0)
        assert "wxcv shared call" not in {task.get_name() for task in asyncio.all_tasks()}
        results = await asyncio.gather(*tasks, return_exceptions=True)
        server.go.set()

    assert {type(result) for result in results} == {wxcv.SessionClosedError}


async def test_a_call_that_waits_has_its_own_deadline() -> None:
    """A call that waits for the send of a batch, which may pause for long, ends by its own call_timeout."""
    server = Server()
    async with api_server(server.call) as url, cached(url, call_timeout=60) as session:
        (first,) = await started(1, session)
        flight = next(iter(session._state.flights._open.values()))
        second = asyncio.create_task(session.scan_qrcode(BLANK))
        await until(lambda: session.stats().calls == 2)
        await until(lambda: session.stats().running == 1)
        deadlines = session._state.slots.deadlines
        latest = asyncio.get_running_loop().time() + 60
        assert all(deadline.when() <= latest for deadline in deadlines._active)
        for deadline in deadlines._active:
            if deadline.task is second:
                deadline.expire()
        with pytest.raises(wxcv.CallTimeoutError, match="within 60 s") as caught:
            await second
        assert not flight.task.done()
        server.go.set()
        await first

    assert (caught.value.sends, server.calls) == (0, 1)


async def test_a_program_that_ends_in_the_middle_leaves_nothing() -> None:
    """If every task is cancelled at once, as at the end of a program, calls end and all slots are free."""
    server = Server()
    async with api_server(server.call) as url, cached(url) as session:
        tasks = await started(4, session)
        flight = next(iter(session._state.flights._open.values()))
        for task in (*tasks, flight.task):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: session.stats().running == 0)
        server.go.set()

    assert {type(result) for result in results} == {asyncio.CancelledError}


async def test_a_flight_that_ends_from_elsewhere_is_an_error_for_those_who_wait() -> None:
    """If somebody cancels wxcv's own task, those who wait get CancelledError, and none waits for ever."""
    server = Server()
    async with api_server(server.call) as url, cached(url) as session:
        tasks = await started(4, session)
        next(iter(session._state.flights._open.values())).task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        server.go.set()
        await session.scan_qrcode(BLANK)

    assert {type(result) for result in results} == {asyncio.CancelledError}
    assert server.calls == 2


async def test_thousands_of_calls_that_are_cancelled_at_random_send_each_image_once() -> None:
    """2,000 calls of 100 images, a third cancelled at random: at most 100 sends, and every slot is free."""
    server, chance = Server(is_open=True), random.Random(7)  # noqa: S311 - no secret
    images = [pictures.qr_png(f"image {number}") for number in range(100)]
    async with api_server(server.call) as url, cached(url, concurrency=10) as session:

        async def call(number: int) -> None:
            task = asyncio.create_task(session.scan_qrcode(images[number % 100]))
            if chance.random() < 1 / 3:
                for _ in range(chance.randrange(60)):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async with asyncio.timeout(60):
            await asyncio.gather(*map(call, range(2000)))
            await until(lambda: session.stats().running == 0)
        stats = session.stats()

    assert server.calls == stats.sends == 100
    assert stats.waiting == 0


@pytest.mark.parametrize("other", ["account", "another token", "endpoint", "fields"])
async def test_what_differs_is_sent_apart(other: str) -> None:
    """The same bytes for another account or endpoint, or with other fields, are sent for themselves."""
    server = Server(is_open=True)
    endpoint = wxcv.Endpoint("own", "/cv/img/own", dict, ("ratios",))
    async with api_server(server.call) as url, cached(url) as session:
        await session.call(endpoint, BLANK)
        if other == "account":
            await session.on_behalf_of(wxcv.StaticTokenCredential("T2", account="wx2")).call(endpoint, BLANK)
        elif other == "another token":
            await session.on_behalf_of(wxcv.StaticTokenCredential("T2")).call(endpoint, BLANK)
        elif other == "endpoint":
            await session.scan_qrcode(BLANK)
        else:
            await session.call(endpoint, BLANK, fields={"ratios": "1"})

    assert server.calls == 2
