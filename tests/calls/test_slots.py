"""Slots bound how many run, and end them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest
from support.tokens import turn

import wxcv
from wxcv.calls.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def held(slots: Slots, work: Callable[[], Awaitable[T]]) -> T:
    """Do the work in a slot, as a call does."""
    async with slots.acquire():
        return await work()


async def free() -> str:
    """Do nothing for a moment."""
    return "free"


async def test_no_more_than_the_count_run_at_a_time() -> None:
    """Of ten pieces of work on three slots, three run at a time, in the order in which they came."""
    slots, running, most, order = Slots(3, 60.0), 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(number)
        await asyncio.sleep(0)
        running -= 1

    await asyncio.gather(*(held(slots, partial(work, n)) for n in range(10)))

    assert most == 3
    assert order == list(range(10))


async def test_the_deadline_counts_from_the_slot() -> None:
    """Work that outlasts its deadline ends in CallTimeoutError, and its slot is free again."""
    slots = Slots(1, 0.01)
    with pytest.raises(wxcv.CallTimeoutError, match=r"within 0\.01 s"):
        await held(slots, asyncio.Event().wait)

    assert await held(slots, free) == "free"


async def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    """A TimeoutError of the work is not mistaken for the deadline."""

    async def work() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await held(Slots(1, 60.0), work)


async def test_closing_ends_waiters_at_once_and_lets_the_running_finish() -> None:
    """On closing, waiting calls get SessionClosedError, and calls that end within the grace succeed."""
    slots, go = Slots(1, 60.0), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    waiting, gone = (asyncio.create_task(held(slots, go.wait)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    closing = asyncio.create_task(slots.aclose(grace=60.0))

    with pytest.raises(wxcv.SessionClosedError):
        await waiting
    assert gone.cancelled()
    assert not closing.done()
    go.set()
    assert await running is True
    await closing
    with pytest.raises(wxcv.SessionClosedError):
        await held(slots, go.wait)


async def test_closing_ends_the_running_after_the_grace() -> None:
    """A call that still runs after the grace gets SessionClosedError."""
    slots = Slots(1, 60.0)
    running = asyncio.create_task(held(slots, asyncio.Event().wait))
    await asyncio.sleep(0)
    await slots.aclose(grace=0)

    with pytest.raises(wxcv.SessionClosedError):
        await running


async def test_a_waiter_that_gets_its_slot_while_closing_does_not_run() -> None:
    """A call whose slot becomes free at the moment of closing does not begin."""
    slots, begun = Slots(1, 60.0), []
    closing: list[asyncio.Task[None]] = []

    async def work() -> None:
        begun.append(True)
        await asyncio.sleep(0)
        closing.append(asyncio.create_task(slots.aclose(grace=5.0)))

    first, second = (asyncio.create_task(held(slots, work)) for _ in range(2))
    await first
    with pytest.raises(wxcv.SessionClosedError):
        await second
    await closing[0]

    assert begun == [True]


async def test_closing_at_the_same_time_is_allowed() -> None:
    """Closing several times at once, or one after another, succeeds each time."""
    for distance in range(8):
        slots = Slots(1, 60.0)
        running = asyncio.create_task(held(slots, asyncio.Event().wait))
        await asyncio.sleep(0)
        first = asyncio.create_task(slots.aclose(grace=0))
        for _ in range(distance):
            await asyncio.sleep(0)
        await asyncio.gather(first, slots.aclose(grace=0))
        with pytest.raises(wxcv.SessionClosedError):
            await running


async def test_closing_that_is_cancelled_ends_the_running_at_once() -> None:
    """If closing is cancelled, running calls are ended without the rest of the grace."""
    slots = Slots(1, 60.0)
    running = asyncio.create_task(held(slots, asyncio.Event().wait))
    await asyncio.sleep(0)
    closing = asyncio.create_task(slots.aclose(grace=60))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(wxcv.SessionClosedError):
        await running


async def test_cancelling_a_waiter_leaves_the_slots_as_they_were() -> None:
    """A cancelled waiter and a cancelled holder both leave their slot to others."""
    slots = Slots(1, 60.0)
    tasks = [asyncio.create_task(held(slots, asyncio.Event().wait)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert all(task.cancelled() for task in tasks)
    assert await held(slots, free) == "free"


async def test_a_waiter_that_is_thrown_away_takes_no_slot() -> None:
    """A coroutine that was closed while it waited is skipped when a slot becomes free."""
    slots, go = Slots(1, 60.0), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    await asyncio.sleep(0)
    thrown_away = held(slots, free)
    thrown_away.send(None)
    thrown_away.close()
    go.set()
    await running

    assert await held(slots, free) == "free"


async def test_a_waiter_cancelled_in_the_moment_of_its_turn_hands_it_on() -> None:
    """A call that is cancelled after it got a slot, and before it runs, passes the slot on."""
    slots = Slots(1, 60.0)
    assert slots.take_free_slot()
    first, second = (asyncio.create_task(held(slots, free)) for _ in range(2))
    await asyncio.sleep(0)
    slots.release()
    first.cancel()

    assert await second == "free"
    assert first.cancelled()


async def test_a_call_that_waits_too_long_for_its_slot_is_told() -> None:
    """After slot_timeout a waiting call gets SlotTimeoutError, and the slot goes to the next one."""
    slots, go = Slots(1, 60.0, slot_timeout=0.01), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(wxcv.SlotTimeoutError, match=r"nothing was sent: no slot within 0\.01 s"):
            await held(slots, free)
    assert slots.waiting_count == 0
    go.set()
    await running

    assert await held(slots, free) == "free"


async def test_a_call_that_gets_its_slot_in_time_runs() -> None:
    """A call that gets a slot within slot_timeout has its whole call_timeout."""
    slots, go = Slots(1, 60.0, slot_timeout=30.0), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(held(slots, free))
    await asyncio.sleep(0)
    go.set()

    assert (await waiting, await running) == ("free", True)
    assert (slots.free_count, slots.waiting_count) == (1, 0)


async def test_more_waiting_calls_than_allowed_are_refused_at_once() -> None:
    """With max_waiting calls waiting, one more gets SlotTimeoutError at once; one that leaves makes room."""
    slots, go = Slots(1, 60.0, max_waiting=2), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(held(slots, free)) for _ in range(2)]
    await asyncio.sleep(0)
    assert slots.waiting_count == 2
    with pytest.raises(wxcv.SlotTimeoutError, match="2 calls are already waiting for a slot"):
        await held(slots, free)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert slots.waiting_count == 1
    third = asyncio.create_task(held(slots, free))
    go.set()

    assert (await waiting[1], await third, await running) == ("free", "free", True)
    assert slots.waiting_count == 0


async def test_the_limits_of_waiting_are_not_for_batches() -> None:
    """A call without limits waits for any time, however many others wait."""
    slots, go = Slots(1, 60.0, slot_timeout=60.0, max_waiting=0), asyncio.Event()
    running = asyncio.create_task(held(slots, go.wait))
    await asyncio.sleep(0)

    async def patient() -> str:
        async with slots.acquire(is_limited=False):
            return "had"

    waiting = asyncio.create_task(patient())
    await turn()
    with pytest.raises(wxcv.SlotTimeoutError):
        await held(slots, free)
    assert slots._queue_deadlines is not None
    slots._queue_deadlines.expire_all()
    await turn()
    go.set()

    assert (await waiting, await running) == ("had", True)


async def test_without_waiters_a_slot_that_is_had_in_the_last_moment_is_kept() -> None:
    """A slot that becomes free at the very moment of the slot_timeout is not lost."""
    slots = Slots(1, 60.0, slot_timeout=60.0)
    assert slots.take_free_slot()
    waiting = asyncio.create_task(held(slots, free))
    await asyncio.sleep(0)
    slots.release()
    assert slots._queue_deadlines is not None
    slots._queue_deadlines.expire_all()
    with pytest.raises(wxcv.SlotTimeoutError):
        await waiting

    assert slots.free_count == 1
    assert await held(slots, free) == "free"
