"""Retries within a batch, and of single calls beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support import pictures
from support.accounts import QUICK
from support.batches import collect, moved, statuses
from support.pages import QRCODE
from support.pictures import PICTURE

import wxcv
from wxcv.sandbox import Fault, Quota, Sandbox


async def test_what_passes_is_retried_within_a_call(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """Busy, a 503 and a lost answer are each made good by another send of the same bytes."""
    for fault in (Fault(errcode=-1), Fault(status=503), Fault(drop="after"), Fault(cut=True)):
        box.fail_next(QRCODE, fault)
        box.received.clear()
        async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
            assert (await session.scan_qrcode(PICTURE)).code_results
        assert len({one.sha256 for one in box.received}) == 1
        assert len(box.received) == 2


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault(drop="after"), "unknown"), (Fault(status=502), "failed")]
)
async def test_at_most_once_never_sends_twice_what_may_have_counted(
    box: Sandbox, credential: wxcv.AppCredential, fault: Fault, status: str
) -> None:
    """With at_most_once a lost answer is final and its outcome unknown, and a 5xx is final, too."""
    box.fail_next(QRCODE, fault)
    policy = wxcv.RetryPolicy(at_most_once=True)
    async with wxcv.Session(credential, base_url=box.base_url, retries=policy) as session:
        (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE]))

    assert (outcome.status, outcome.sends, box.requests[QRCODE]) == (status, 1, 1)


async def test_a_lost_answer_stays_unknown_whatever_comes_after(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """If one send had no answer and the next was refused, the outcome is unknown, with both sends counted."""
    box.fail_next(QRCODE, Fault(drop="after"), Fault(errcode=99999))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE]))

    assert (outcome.status, outcome.sends) == ("unknown", 2)
    assert isinstance(outcome.error, wxcv.APIError)


async def test_a_server_that_is_always_busy_gets_three_attempts(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A call that is busy for ever ends after three attempts, and says so."""
    box.fail_always(QRCODE, Fault(errcode=-1))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        with pytest.raises(wxcv.SystemBusyError, match="sends: 3") as caught:
            await session.scan_qrcode(PICTURE)

    assert (caught.value.sends, box.requests[QRCODE]) == (3, 3)


async def test_a_failing_server_is_not_flooded_with_retries(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """While everything fails, a thousand calls cost no more than a hundred retries."""
    box.fail_always(QRCODE, Fault(status=503))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK, concurrency=16) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, ["https://example.com/a.png"] * 1000))

    assert set(statuses(outcomes)) == {"failed"}
    assert box.requests[QRCODE] == 1100


async def test_no_wait_goes_beyond_the_deadline(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A Retry-After that does not fit into call_timeout ends the call at once."""
    box.fail_always(QRCODE, Fault(status=503, headers={"Retry-After": "30"}))
    async with wxcv.Session(credential, base_url=box.base_url, call_timeout=5) as session:
        with pytest.raises(wxcv.ProtocolError) as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.elapsed < 5
    assert box.requests[QRCODE] == 1


async def test_a_throttled_single_call_waits_as_long_as_it_is_told(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call answered with 429 and a Retry-After within its deadline waits for it and is answered."""
    clock = wxcv.ManualClock()
    box.fail_next(QRCODE, Fault(status=429, headers={"Retry-After": "5"}))
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(session.scan_qrcode(PICTURE))
        await moved(clock, task.done)

    assert task.result().code_results
    assert clock.monotonic() >= 5


async def test_a_throttled_single_call_fails_if_the_minute_is_too_long(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call whose deadline ends before the minute does is a RateLimitedError, and so is the next."""
    clock = wxcv.ManualClock(wall=1_600_000_005.0)
    box.fail_next(QRCODE, Fault(errcode=45011))
    async with wxcv.Session(credential, base_url=box.base_url, call_timeout=10, clock=clock) as session:
        for sends in (1, 0):
            with pytest.raises(wxcv.RateLimitedError) as caught:
                await session.scan_qrcode(PICTURE)
            assert caught.value.sends == sends
        clock.advance(60)
        assert (await session.scan_qrcode(PICTURE)).code_results

    assert box.requests[QRCODE] == 2


async def test_one_that_is_always_throttled_ends(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """An image that every minute begins with refusing fails after eleven sends."""
    clock = wxcv.ManualClock()
    box.fail_always(QRCODE, Fault(errcode=45011))
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE])))
        await moved(clock, task.done)

    (outcome,) = task.result()
    assert (outcome.status, outcome.sends) == ("failed", 11)
    assert isinstance(outcome.error, wxcv.RateLimitedError)


async def test_sixty_a_minute_are_kept_for_six_hundred_images() -> None:
    """At 60 a minute 600 images are all read, with at most 72 sends a minute from the second on."""
    clock = wxcv.ManualClock(wall=1_600_000_020.0)
    minutes: dict[int, int] = {}
    async with Sandbox(quota=Quota(per_minute=60), clock=clock.wall) as box:
        credential = wxcv.AppCredential(box.appid, box.secret)

        def count(_event: wxcv.AttemptEvent) -> None:
            minute = int(clock.wall() // 60)
            minutes[minute] = minutes.get(minute, 0) + 1

        options: dict[str, Any] = {"clock": clock, "on_attempt": count, "call_timeout": 20}
        async with wxcv.Session(credential, base_url=box.base_url, **options) as session:
            images = [pictures.blank_png()] * 600
            task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, images)))
            await moved(clock, task.done, by=0.1)

    assert statuses(task.result()) == ["ok"] * 600
    later = [sent for minute, sent in sorted(minutes.items())[1:]]
    assert max(later) <= 72
    assert sum(minutes.values()) <= 660
