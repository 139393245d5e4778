"""Batches that end early."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.accounts import APP, QUICK, TOKEN
from support.batches import Server, collect
from support.pictures import PICTURE
from support.servers import api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wxcv.sandbox import Sandbox


@pytest.mark.parametrize("how", ["break", "raise", "cancel"])
async def test_leaving_early_ends_the_work_and_leaves_the_session_usable(how: str) -> None:
    """However a batch is left, its tasks end with it, and the next call works."""
    server, before = Server(), asyncio.all_tasks()

    async def consume(session: wxcv.Session) -> None:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 1000) as outcomes:
            async for _ in outcomes:
                if how == "break":
                    break
                if how == "raise":
                    raise ZeroDivisionError
                server.open.clear()

    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url) as session:
        task = asyncio.create_task(consume(session))
        if how == "cancel":
            while server.calls < 5:
                await asyncio.sleep(0.001)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not [one for one in asyncio.all_tasks() - before if one.get_name() == "wxcv batch"]

        server.open.set()
        assert (await session.scan_qrcode(PICTURE)).code_results == ()


async def test_leaving_drops_the_outcomes_that_were_not_taken(session: wxcv.Session) -> None:
    """After its block, a batch has no outcomes left, also if some were ready."""
    batch = session.batch(wxcv.SCAN_QRCODE, [b"text"] * 10)
    async with batch:
        await anext(batch)
        assert batch._runner._ready

    assert [outcome async for outcome in batch] == []


async def test_a_batch_that_is_ended_before_it_began_ends(box: Sandbox) -> None:
    """If the session is closed in the moment in which a batch begins, its consumer is told."""
    session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
    first = asyncio.ensure_future(anext(session.batch(wxcv.SCAN_QRCODE, [PICTURE])))
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await first


async def test_closing_a_batch_ends_images_that_are_waited_for(session: wxcv.Session) -> None:
    """An async iterable waiting for its next image is ended when the batch is closed, and may clean up."""
    ended = []

    async def images() -> AsyncIterator[bytes]:
        yield PICTURE
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
        assert (await anext(outcomes)).status == "ok"

    assert ended == [True]


async def test_a_batch_left_with_break_ends_with_its_session(box: Sandbox) -> None:
    """A batch that is left without being closed is ended by its session, without a warning."""
    credential, before = wxcv.AppCredential(box.appid, box.secret), asyncio.all_tasks()
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        async for _ in session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100):
            break
        gc.collect()

    assert not [one for one in asyncio.all_tasks() - before if one.get_name() == "wxcv batch"]


async def test_closing_the_session_ends_its_batches() -> None:
    """When the session is closed under a batch, what is under way is given, then SessionClosedError."""
    server, seen = Server(), []
    async with api_server(server.call) as url:
        session = wxcv.Session(APP, base_url=url, concurrency=2)
        batch = session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100)
        server.open.clear()
        first = asyncio.ensure_future(anext(batch))
        while server.calls < 2:
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        server.open.set()
        await closing
        seen.append((await first).status)
        with pytest.raises(wxcv.SessionClosedError):
            async for outcome in batch:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok", "ok"]
    assert server.calls == 2


async def test_a_batch_that_was_not_begun_ends_with_its_session(box: Sandbox) -> None:
    """A batch of a session that was closed before it began raises SessionClosedError, not nothing."""
    session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
    batch = session.batch(wxcv.SCAN_QRCODE, [PICTURE])
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await anext(batch)


async def test_cancelling_at_any_moment_leaks_nothing(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A batch cancelled at 200 seeded moments leaves no task and no slot taken, and the next call works."""
    seeded = random.Random(11)  # noqa: S311 - not for security
    async with wxcv.Session(credential, base_url=box.base_url, concurrency=4) as session:
        await session.scan_qrcode(PICTURE)
        for _ in range(200):
            task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 20)))
            for _ in range(seeded.randrange(120)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        left = [one for one in asyncio.all_tasks() if one.get_name().startswith("wxcv")]
        assert left == []
        assert session._state.slots.free_count == 4
        assert (await session.scan_qrcode(PICTURE)).code_results


async def test_calls_cancelled_at_any_moment_leak_nothing(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call, also the first, cancelled at 200 seeded moments leaves everything as it was."""
    seeded = random.Random(12)  # noqa: S311 - not for security
    for _ in range(20):
        async with wxcv.Session(credential, base_url=box.base_url, concurrency=2) as session:
            for _ in range(10):
                task = asyncio.create_task(session.scan_qrcode(PICTURE))
                for _ in range(seeded.randrange(60)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert session._state.slots.free_count == 2
            assert (await session.scan_qrcode(PICTURE)).code_results


@pytest.mark.parametrize("ordered", [False, True])
async def test_no_image_is_lost_when_a_borrowed_http_session_is_closed(*, ordered: bool) -> None:
    """Calls that wait for a connection of a session that closes get an outcome, as all others do."""
    server = Server()
    server.open.clear()
    async with api_server(server.call) as url:
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2))
        session = wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, http=http, retries=QUICK)
        async with session:
            outcomes = asyncio.create_task(
                collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50, ordered=ordered))
            )
            while server.calls < 2:
                await asyncio.sleep(0.001)
            await http.close()
            server.open.set()
            got = await outcomes

    assert sorted(outcome.index for outcome in got) == list(range(50))
    assert {outcome.status for outcome in got} <= {"ok", "unknown", "not_sent"}


async def test_a_batch_that_was_left_is_forgotten() -> None:
    """A session does not keep batches whose block was left, also if nothing was taken from them."""
    async with wxcv.Session(APP, base_url="http://127.0.0.1:1") as session:
        for _ in range(3):
            async with session.batch(wxcv.SCAN_QRCODE, [PICTURE]):
                pass

        assert not session._runners


async def test_a_batch_that_nobody_begins_is_freed_with_its_images() -> None:
    """A session keeps neither a batch that was made and dropped, nor its images."""
    async with wxcv.Session(APP, base_url="http://127.0.0.1:1") as session:
        image = wxcv.ImageBytes(PICTURE)
        kept = weakref.ref(image)
        session.batch(wxcv.SCAN_QRCODE, [image])
        del image

        assert kept() is None


async def test_a_batch_that_was_closed_before_it_began_ends_at_once() -> None:
    """A batch that is closed before anything was asked of it gives no outcome and consumes no image."""
    images = iter([PICTURE])
    async with wxcv.Session(APP, base_url="http://127.0.0.1:1") as session:
        batch = session.batch(wxcv.SCAN_QRCODE, images)
        await batch.aclose()

        assert [outcome async for outcome in batch] == []
    assert next(images) is PICTURE


async def test_no_batch_of_a_closed_session_ends_as_if_it_were_complete() -> None:
    """If several batches run when their session is closed, each raises SessionClosedError at its end."""
    server = Server()
    server.open.clear()

    async def consume(session: wxcv.Session) -> int:
        return len(await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 60)))

    async with api_server(server.call) as url:
        async with wxcv.Session(APP, base_url=url, concurrency=3) as session:
            consumers = [asyncio.create_task(consume(session)) for _ in range(3)]
            while server.calls < 3:
                await asyncio.sleep(0)
            server.open.set()
        results = await asyncio.gather(*consumers, return_exceptions=True)

    assert [type(result) for result in results] == [wxcv.SessionClosedError] * 3
