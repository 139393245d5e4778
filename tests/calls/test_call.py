"""One call: its tokens, its pace and its deadline."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP, STATIC, TOKEN
from support.pictures import BLANK
from support.servers import answer, api_server
from support.tokens import turn

import wxcv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

MINUTE_BEGINS = 1_600_000_020.0


def answering(*errcodes: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler that answers with these codes one after the other, then with success."""
    left = list(errcodes)

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=left.pop(0) if left else 0, errmsg="scripted", code_results=[])

    return call


def new_tokens() -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a token endpoint that answers T1, T2, ..."""
    count = itertools.count(1)

    async def token_page(_request: web.Request) -> web.StreamResponse:
        return answer(access_token=f"T{next(count)}", expires_in=7200)

    return token_page


async def finish(task: asyncio.Task[Any], clock: wxcv.ManualClock, *, by: float = 0.5) -> None:
    """Move the clock on until the task has ended."""
    while not task.done():
        await asyncio.sleep(0.001)
        clock.advance(by)


async def outcomes_of(
    session: wxcv.Session, images: list[bytes]
) -> list[wxcv.Outcome[bytes, wxcv.QrcodeScan]]:
    """Send the images in a batch; return the outcomes in their order."""
    async with session.batch(wxcv.SCAN_QRCODE, images, ordered=True) as batch:
        return [outcome async for outcome in batch]


@pytest.mark.parametrize("errcode", [41001, 42006, 42007])
async def test_a_refusal_that_no_new_token_mends_is_not_repeated(errcode: int) -> None:
    """After a refusal that is not about an old token, no other token is fetched and nothing sent again."""
    async with (
        api_server(answering(errcode), new_tokens()) as url,
        wxcv.Session(APP, base_url=url) as session,
    ):
        with pytest.raises(wxcv.TokenRejectedError) as caught:
            await session.scan_qrcode(BLANK)
        stats = session.stats()

    assert (caught.value.sends, stats.sends, stats.refreshes) == (1, 1, 1)


async def test_the_seconds_of_an_attempt_are_told() -> None:
    """on_attempt gets the seconds of the attempt, from the request to its answer."""
    clock, events = wxcv.ManualClock(), []
    clock.advance(1000)

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        clock.advance(0.25)
        return answer(errcode=0, code_results=[])

    async with (
        api_server(call) as url,
        wxcv.Session(STATIC, base_url=url, clock=clock, on_attempt=events.append) as session,
    ):
        await session.scan_qrcode(BLANK)

    assert [event.seconds for event in events] == [0.25]


async def test_a_refusal_that_is_told_again_tells_nothing_of_the_first_image() -> None:
    """If WeChat has no other token than the refused one, the next call's error has no send and no image."""
    async with api_server(answering(41001)) as url, wxcv.Session(APP, base_url=url) as session:
        with pytest.raises(wxcv.TokenRejectedError) as first:
            await session.scan_qrcode(BLANK)
        with pytest.raises(wxcv.TokenRejectedError) as second:
            await session.token()

    assert (first.value.sends, first.value.image) == (1, f"image of {len(BLANK)} bytes")
    assert (second.value.sends, second.value.elapsed, second.value.image) == (0, 0.0, None)


async def test_a_back_off_after_refused_tokens_tells_nothing_of_the_first_image() -> None:
    """If the new token is refused too, the next call's error has no send and no image."""
    async with (
        api_server(answering(40001, 40001), new_tokens()) as url,
        wxcv.Session(APP, base_url=url) as session,
    ):
        with pytest.raises(wxcv.TokenRejectedError) as first:
            await session.scan_qrcode(BLANK)
        with pytest.raises(wxcv.TokenRejectedError) as second:
            await session.token()
        assert session.stats().refreshes == 2

    assert first.value.sends == 2
    assert (second.value.sends, second.value.elapsed, second.value.image) == (0, 0.0, None)


async def test_every_slot_has_a_connection_and_a_refresh_has_one_too() -> None:
    """120 calls are under way at once, and while they are, a token can still be fetched."""
    under_way, everybody_is_here, go = 0, asyncio.Event(), asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal under_way
        await request.read()
        under_way += 1
        if under_way == 120:
            everybody_is_here.set()
        await go.wait()
        return answer(errcode=0, code_results=[])

    async with (
        api_server(call, new_tokens()) as url,
        wxcv.Session(APP, base_url=url, concurrency=120) as session,
    ):
        calls = [asyncio.create_task(session.scan_qrcode("https://example.com/a.png")) for _ in range(120)]
        async with asyncio.timeout(20):
            await everybody_is_here.wait()
            session.invalidate_token()
            assert (await session.token()).value == "T2"
        go.set()
        await asyncio.gather(*calls)


async def test_there_is_one_connection_more_than_slots() -> None:
    """However many tokens are refreshed at once, at most concurrency + 1 connections are used."""
    now = most = 0
    three_are_here = asyncio.Barrier(3)

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await three_are_here.wait()
        await turn(20)  # for a fourth, if there is one
        now -= 1
        return answer(access_token=TOKEN, expires_in=7200)

    async with (
        api_server(answering(), token_page) as url,
        wxcv.Session(APP, base_url=url, concurrency=2) as session,
    ):
        accounts = [session.on_behalf_of(wxcv.AppCredential(f"wx{number}", "s")) for number in range(12)]
        await asyncio.gather(*(account.token() for account in accounts))

    assert most == 3


async def test_waiting_after_a_throttling_is_not_charged_to_an_image_of_a_batch() -> None:
    """An image of a batch that waited for the next minute has all of its call_timeout for other retries."""
    clock = wxcv.ManualClock(MINUTE_BEGINS)
    async with (
        api_server(answering(45011, -1)) as url,
        wxcv.Session(STATIC, base_url=url, clock=clock, call_timeout=20) as session,
    ):
        task = asyncio.create_task(outcomes_of(session, [BLANK]))
        await finish(task, clock)

    (outcome,) = task.result()
    assert (outcome.status, outcome.sends) == ("ok", 3)
    assert clock.monotonic() >= 60


@pytest.mark.parametrize(("took", "sends"), [(3.0, 1), (0.0, 2)])
async def test_a_retry_must_fit_into_what_is_left_of_the_deadline(took: float, sends: int) -> None:
    """A Retry-After of 4 s is waited for at the beginning of a call of 6 s, and not when 3 s have passed."""
    clock, seen = wxcv.ManualClock(), 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal seen
        await request.read()
        seen += 1
        if seen > 1:
            return answer(errcode=0, code_results=[])
        clock.advance(took)
        busy = answer()
        busy.set_status(503)
        busy.headers["Retry-After"] = "4"
        return busy

    async with (
        api_server(call) as url,
        wxcv.Session(STATIC, base_url=url, clock=clock, call_timeout=6) as session,
    ):
        task = asyncio.create_task(outcomes_of(session, [BLANK]))
        await finish(task, clock, by=0.1)

    (outcome,) = task.result()
    assert (outcome.status, outcome.sends, seen) == ("ok" if sends == 2 else "failed", sends, sends)


@pytest.mark.parametrize("errcode", [0, 101002, 99999])
async def test_the_pace_counts_every_answer_that_is_no_throttling(errcode: int) -> None:
    """If WeChat accepted 30 images in a minute, read or refused, one is sent every 2 s after a throttling."""
    clock, sent_at = wxcv.ManualClock(MINUTE_BEGINS), []
    async with (
        api_server(answering(*[errcode] * 30, 45011)) as url,
        wxcv.Session(
            STATIC,
            base_url=url,
            clock=clock,
            concurrency=1,
            on_attempt=lambda _event: sent_at.append(clock.monotonic()),
        ) as session,
    ):
        for _ in range(30):
            await outcomes_of(session, [BLANK])
        task = asyncio.create_task(outcomes_of(session, [BLANK] * 5))
        await finish(task, clock, by=0.25)

    later = sent_at[31:]
    assert len(later) == 5
    assert later[0] >= 60
    assert 1.5 <= (later[-1] - later[0]) / 4 <= 2.5


async def test_a_call_that_would_have_to_wait_too_long_is_told_for_how_long() -> None:
    """While an endpoint is paused, a call that cannot wait for its end is refused, with the seconds left."""
    clock = wxcv.ManualClock(wall=1_600_000_040.0)  # 40 s before the end of its minute
    async with (
        api_server(answering(45011)) as url,
        wxcv.Session(STATIC, base_url=url, clock=clock, call_timeout=5) as session,
    ):
        for sends in (1, 0):
            with pytest.raises(wxcv.RateLimitedError) as caught:
                await session.scan_qrcode(BLANK)
            copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own

            assert (copied.errcode, copied.retry_after, copied.sends) == (45011, 40.0, sends)
            assert "the endpoint is paused for another 40 s, after WeChat refused" in str(copied)
