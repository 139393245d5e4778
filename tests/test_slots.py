"""Slots bound how many run, and end them."""

from __future__ import annotations

import asyncio

import pytest

import wxcv
from wxcv.slots import Slots


async def test_no_more_than_the_count_run_at_a_time() -> None:
    """Of ten pieces of work on three slots, three run at a time, in the order in which they came."""
    slots, running, most, order = Slots(3), 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(number)
        await asyncio.sleep(0)
        running -= 1

    await asyncio.gather(*(slots.run(lambda _, n=n: work(n), 5.0) for n in range(10)))  # type: ignore[misc]

    assert most == 3
    assert order == list(range(10))


async def test_the_deadline_counts_from_the_slot() -> None:
    """Work that outlasts its deadline ends in CallTimeoutError, and its slot is free again."""
    slots = Slots(1)
    with pytest.raises(wxcv.CallTimeoutError, match=r"within 0\.01 s"):
        await slots.run(lambda _: asyncio.Event().wait(), 0.01)

    assert await slots.run(lambda _: asyncio.sleep(0, "free"), 5.0) == "free"


async def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    """A TimeoutError that the work raises is not taken for the deadline."""

    async def work() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Slots(1).run(lambda _: work(), 5.0)


async def test_closing_ends_waiters_at_once_and_lets_the_running_finish() -> None:
    """On closing, who waits for a slot gets SessionClosedError, and who runs within the grace ends well."""
    slots, go = Slots(1), asyncio.Event()
    running = asyncio.create_task(slots.run(lambda _: go.wait(), 5.0))
    waiting = asyncio.create_task(slots.run(lambda _: go.wait(), 5.0))
    await asyncio.sleep(0)
    closing = asyncio.create_task(slots.aclose(grace=60.0))

    with pytest.raises(wxcv.SessionClosedError):
        await waiting
    assert not closing.done()
    go.set()
    assert await running is True
    await closing
    with pytest.raises(wxcv.SessionClosedError):
        await slots.run(lambda _: go.wait(), 5.0)


async def test_closing_ends_the_running_after_the_grace() -> None:
    """Who still runs when the grace is over gets SessionClosedError."""
    slots = Slots(1)
    running = asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 60.0))
    await asyncio.sleep(0)
    await slots.aclose(grace=0)

    with pytest.raises(wxcv.SessionClosedError):
        await running


async def test_a_waiter_that_gets_its_slot_while_closing_does_not_run() -> None:
    """Work whose slot becomes free in the moment of closing is not begun."""
    slots, begun = Slots(1), []
    closing: list[asyncio.Task[None]] = []

    async def work() -> None:
        begun.append(True)
        await asyncio.sleep(0)
        closing.append(asyncio.create_task(slots.aclose(grace=5.0)))

    first, second = (asyncio.create_task(slots.run(lambda _: work(), 5.0)) for _ in range(2))
    await first
    with pytest.raises(wxcv.SessionClosedError):
        await second
    await closing[0]

    assert begun == [True]


async def test_closing_at_the_same_time_is_allowed() -> None:
    """Several that close at once, at any distance, all succeed."""
    for distance in range(8):
        slots = Slots(1)
        running = asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 60.0))
        await asyncio.sleep(0)
        first = asyncio.create_task(slots.aclose(grace=0))
        for _ in range(distance):
            await asyncio.sleep(0)
        await asyncio.gather(first, slots.aclose(grace=0))
        with pytest.raises(wxcv.SessionClosedError):
            await running


async def test_closing_that_is_cancelled_ends_the_running_at_once() -> None:
    """If the wait for the running is cancelled, they are ended without the rest of the grace."""
    slots = Slots(1)
    running = asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 60.0))
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
    slots = Slots(1)
    tasks = [asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert all(task.cancelled() for task in tasks)
    assert await slots.run(lambda _: asyncio.sleep(0, "free"), 5.0) == "free"


async def test_a_deadline_can_be_moved() -> None:
    """A wait that does not count moves the deadline by its length."""

    slots = Slots(1)

    async def work(scope: asyncio.Timeout) -> str:
        slots.extend(scope, 30.0)
        slots.extend(scope, 30.0)
        await asyncio.sleep(0.05)
        return "ended well"

    assert await slots.run(work, 0.01) == "ended well"


async def test_one_timer_serves_all_deadlines() -> None:
    """Of calls that end, have their deadline moved, or hang, each hanging one ends at its own time."""
    slots = Slots(5)

    async def moved(scope: asyncio.Timeout) -> str:
        slots.extend(scope, 60.0)
        await asyncio.sleep(0.1)
        return "moved"

    async def hang(_: asyncio.Timeout) -> None:
        await asyncio.Event().wait()

    runs = [
        slots.run(lambda _: asyncio.sleep(0, "short"), 0.03),
        slots.run(moved, 0.03),
        slots.run(hang, 0.03),
    ]
    tasks = [asyncio.create_task(run) for run in runs]  # type: ignore[arg-type]
    await asyncio.sleep(0.02)
    tasks.append(asyncio.create_task(slots.run(hang, 0.03)))
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert results[:2] == ["short", "moved"]
    assert [type(result) for result in results[2:]] == [wxcv.CallTimeoutError] * 2


async def test_a_deadline_that_has_come_cannot_be_moved() -> None:
    """Work that asks for more time when its deadline has come ends all the same."""
    slots = Slots(1)

    async def work(scope: asyncio.Timeout) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            slots.extend(scope, 60.0)

    with pytest.raises(wxcv.CallTimeoutError):
        await slots.run(work, 0.01)


async def test_a_waiter_cancelled_as_its_slot_comes_hands_it_on() -> None:
    """A waiter that is cancelled in the moment in which it gets its slot leaves the slot to the next."""
    slots = Slots(1)

    async def work() -> None:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(second.cancel)

    first = asyncio.create_task(slots.run(lambda _: work(), 5.0))
    second = asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 5.0))
    third = asyncio.create_task(slots.run(lambda _: asyncio.sleep(0, "third"), 5.0))
    await asyncio.gather(first, second, return_exceptions=True)

    assert second.cancelled()
    assert await third == "third"
    assert slots.free == 1


async def test_closing_passes_over_a_waiter_that_was_cancelled() -> None:
    """Closing right after a waiter was cancelled leaves that waiter cancelled."""
    slots = Slots(1)
    tasks = [asyncio.create_task(slots.run(lambda _: asyncio.Event().wait(), 60.0)) for _ in range(2)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await slots.aclose(grace=0)
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [wxcv.SessionClosedError, asyncio.CancelledError]
