"""Calls of the same image that run at the same time share one send."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import STATIC
from support.pictures import BLANK
from support.same_image import Server, make_cached_session, start_calls, wait_until
from support.servers import answer, api_server

import wxcv
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from aiohttp import web

URL = "https://example.com/a.png"


@pytest.mark.parametrize("image", [BLANK, URL], ids=["bytes", "URL"])
async def test_calls_of_one_image_are_sent_once(image: object) -> None:
    """Twenty simultaneous calls of one image use one send and one slot, and all get the same answer."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url, concurrency=2) as session:
        tasks = await start_calls(20, session, image)
        assert (session.stats().running, session.stats().waiting) == (1, 0)
        server.go.set()
        answers = await asyncio.gather(*tasks)

    assert server.calls == 1
    assert {id(answer) for answer in answers} == {id(answers[0])}


async def test_those_who_wait_leave_their_slots_to_others() -> None:
    """While calls wait for the answer of another one, a second slot is free for other images."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url, concurrency=2) as session:
        tasks = await start_calls(10, session)
        other = asyncio.create_task(session.scan_qrcode(pictures.qr_png("other")))
        await wait_until(lambda: server.calls == 2)
        assert (session.stats().running, session.stats().waiting) == (2, 0)
        server.go.set()
        await asyncio.gather(other, *tasks)

    assert server.calls == 2


async def test_a_failure_is_everybodys_and_sent_once() -> None:
    """If the one send fails, each call raises an error of its own; only the call that sent has sends."""
    server = Server(errcode=40009, is_held=True)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        named = [wxcv.ImageBytes(BLANK, name=f"{index}.png") for index in range(4)]
        first = asyncio.create_task(session.scan_qrcode(named[0]))
        await wait_until(lambda: session.stats().sends == 1)
        rest = [asyncio.create_task(session.scan_qrcode(image)) for image in named[1:]]
        await wait_until(lambda: session.stats().calls == 4)
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
    """If the one send gets no response, all equal images of a batch are "unknown"."""
    server = Server(errcode=-2, is_held=True)
    policy = wxcv.RetryPolicy(at_most_once=True)
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, retries=policy, answer_sources=[wxcv.AnswerCache()]) as session,
        session.batch(wxcv.SCAN_QRCODE, [BLANK] * 6) as batch,
    ):
        consumer = asyncio.ensure_future(_outcomes(batch))
        await wait_until(lambda: session.stats().calls == 6)
        server.go.set()
        outcomes = await consumer

    assert {outcome.status for outcome in outcomes} == {"unknown"}
    assert sorted(outcome.sends for outcome in outcomes) == [0, 0, 0, 0, 0, 1]
    assert server.calls == 1


async def _outcomes(batch: wxcv.Batch[Any, Any]) -> list[Any]:
    return [outcome async for outcome in batch]


async def test_outcomes_tell_who_sent() -> None:
    """Of ten equal images in a batch, one outcome has WeChat as its source and a send, and nine the cache."""
    server = Server()
    async with (
        api_server(server.call) as url,
        make_cached_session(url) as session,
        session.batch(wxcv.SCAN_QRCODE, [BLANK] * 10) as batch,
    ):
        outcomes = await _outcomes(batch)

    told = sorted((outcome.source, outcome.sends) for outcome in outcomes)
    assert told == [("cache", 0)] * 9 + [("wechat", 1)]


async def test_closing_the_session_ends_all_who_wait() -> None:
    """Closing the session ends the call that sends and all that wait for it with SessionClosedError."""
    server = Server(is_held=True)
    async with api_server(server.call) as url:
        session = make_cached_session(url)
        tasks = await start_calls(5, session)
        await session.aclose(0)
        assert "wxcv shared call" not in {task.get_name() for task in asyncio.all_tasks()}
        results = await asyncio.gather(*tasks, return_exceptions=True)
        server.go.set()

    assert {type(result) for result in results} == {wxcv.SessionClosedError}


async def test_a_call_that_waits_has_its_own_deadline() -> None:
    """A call that waits for the send of a batch, which may pause for long, keeps its own call_timeout."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url, call_timeout=60) as session:
        (first,) = await start_calls(1, session)
        shared_call = next(iter(session._state.shared_calls._open.values()))
        second = asyncio.create_task(session.scan_qrcode(BLANK))
        await wait_until(lambda: session.stats().calls == 2)
        await wait_until(lambda: session.stats().running == 1)
        deadlines = session._state.slots.deadlines
        latest = asyncio.get_running_loop().time() + 60
        assert all(deadline.when() <= latest for deadline in deadlines.active)
        for deadline in deadlines.active:
            if deadline.task is second:
                deadline.expire()
        with pytest.raises(wxcv.CallTimeoutError, match="within 60 s") as caught:
            await second
        assert not shared_call.task.done()
        server.go.set()
        await first

    assert (caught.value.sends, server.calls) == (0, 1)


@pytest.mark.parametrize("other", ["account", "another token", "endpoint", "fields"])
async def test_what_differs_is_sent_apart(other: str) -> None:
    """The same bytes for another account or endpoint, or with other fields, are sent separately."""
    server = Server()
    endpoint = wxcv.Endpoint("own", "/cv/img/own", dict, ("ratios",))
    async with api_server(server.call) as url, make_cached_session(url) as session:
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


class Echo:
    """Answers each upload with its size."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call."""
        self.calls += 1
        size = len(await request.read())
        return answer(errcode=0, code_results=[{"type_name": "QR_CODE", "data": str(size)}])


async def test_images_that_cannot_be_told_apart_are_sent_apart() -> None:
    """If large images cannot be hashed, as no thread can be had, each is sent and gets its own answer."""
    server = Echo()
    images = [pictures.to_bytes(pictures.noise(400 + number, 400)) for number in range(3)]
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    async with api_server(server.call) as url, make_cached_session(url) as session:
        asyncio.get_running_loop().set_default_executor(threads)
        scans = await asyncio.gather(*map(session.scan_qrcode, images))

    assert len({scan.code_results[0].data for scan in scans}) == server.calls == 3


async def test_an_endpoint_without_a_hash_is_not_shared() -> None:
    """Calls of an endpoint of one's own whose read function has no hash are sent each."""

    class Read(dict[str, str]):
        def __call__(self, _fields: object) -> str:
            return "read"

    server = Server()
    endpoint = wxcv.Endpoint("own", "/cv/img/own", Read())
    async with api_server(server.call) as url, make_cached_session(url) as session:
        assert await asyncio.gather(*(session.call(endpoint, BLANK) for _ in range(2))) == ["read"] * 2

    assert server.calls == 2


async def test_a_large_picture_is_known_without_being_fitted_again() -> None:
    """Equal large pictures are fitted and sent once, and answered in their own pixels, also later."""
    code = pictures.opened(pictures.qr_png("corner", scale=6)).convert("RGB")
    large = pictures.noise(1500, 1000)
    large.paste(code, (1100, 600))
    data = pictures.to_bytes(large)
    assert len(data) > 2_097_152
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        sources = [wxcv.AnswerCache()]
        async with wxcv.Session(
            credential, base_url=box.base_url, fit=True, answer_sources=sources
        ) as session:
            scans = await asyncio.gather(*(session.scan_qrcode(data) for _ in range(4)))
            session._state.loader.close()  # nothing can be fitted any more
            scans.append(await session.scan_qrcode(data))
        sends = box.requests["/cv/img/qrcode"]

    assert sends == 1
    assert {scan.img_size for scan in scans} == {wxcv.ImgSize(1500, 1000)}


async def test_an_answer_may_be_none() -> None:
    """An endpoint of one's own whose answer is None gives None to all calls that share the send."""
    server = Server(is_held=True)
    endpoint = wxcv.Endpoint("own", "/cv/img/own", lambda _fields: None)
    async with api_server(server.call) as url, make_cached_session(url) as session:
        calls = [asyncio.create_task(session.call(endpoint, BLANK)) for _ in range(3)]
        await wait_until(lambda: session.stats().calls == 3)
        server.go.set()
        assert await asyncio.gather(*calls) == [None] * 3

    assert server.calls == 1
