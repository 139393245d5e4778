"""DeadlineTimer end blocks, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from wxcv.calls.deadlines import Deadline, DeadlineTimer

FOR_EVER = 60.0


async def test_a_block_that_outlasts_its_deadline_is_left_quietly() -> None:
    """The block ends, what follows it runs, and the task counts as not cancelled."""
    with Deadline(DeadlineTimer(0.01)) as deadline:
        await asyncio.sleep(FOR_EVER)
    task = asyncio.current_task()

    assert deadline.expired()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    """A block that ends before its deadline gives its value, and the next one has a deadline of its own."""
    deadlines = DeadlineTimer(0.05)
    for _ in range(3):
        with Deadline(deadlines) as deadline:
            await asyncio.sleep(0.02)
        assert not deadline.expired()


async def test_each_block_has_its_own_moment() -> None:
    """Of blocks that began one after another, each ends after its own time, in that order."""
    deadlines, ended, loop = DeadlineTimer(0.05), [], asyncio.get_running_loop()

    async def block(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        began = loop.time()
        with Deadline(deadlines):
            await asyncio.sleep(FOR_EVER)
        ended.append(number)
        assert loop.time() - began >= 0.05

    await asyncio.gather(*(block(number) for number in range(4)))
    assert ended == [0, 1, 2, 3]


async def test_a_deadline_can_be_moved() -> None:
    """A moved deadline comes later than those that were set after it."""
    deadlines = DeadlineTimer(0.02)

    async def later() -> bool:
        with Deadline(deadlines) as deadline:
            await asyncio.sleep(FOR_EVER)
        return deadline.expired()

    with Deadline(deadlines) as moved:
        moved.reschedule(moved.when() + FOR_EVER)
        assert await asyncio.create_task(later())
    assert not moved.expired()


async def test_a_cancelled_task_stays_cancelled() -> None:
    """Whoever cancels a task in the moment of its deadline is not robbed of that."""

    async def block() -> None:
        with Deadline(DeadlineTimer(FOR_EVER)) as deadline:
            begun.append(deadline)
            await asyncio.sleep(FOR_EVER)

    begun: list[Deadline] = []
    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    begun[0].expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_outer_of_two_deadlines_ends_both() -> None:
    """When the deadline of an outer block comes first, or at the same time, the outer one is left."""
    for inner_too in (False, True):
        with Deadline(DeadlineTimer(0.01)) as outer:
            with Deadline(DeadlineTimer(FOR_EVER)) as inner:
                if inner_too:
                    asyncio.get_running_loop().call_soon(inner.expire)
                    asyncio.get_running_loop().call_soon(outer.expire)
                await asyncio.sleep(FOR_EVER)
            pytest.fail("only the inner block was left")
        assert outer.expired()


async def test_what_a_block_raises_goes_before_its_deadline() -> None:
    """An error that the block makes of being ended is raised."""
    with pytest.raises(ValueError, match="mine"), Deadline(DeadlineTimer(0.01)):
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            raise ValueError("mine") from None
    task = asyncio.current_task()

    assert task is not None
    assert task.cancelling() == 0


def test_deadlines_go_on_in_another_event_loop() -> None:
    """A timer that died with its event loop does not keep deadlines of the next one from coming."""
    deadlines = DeadlineTimer(0.02)

    async def short() -> None:
        with Deadline(deadlines):
            pass

    async def long() -> bool:
        with Deadline(deadlines) as deadline:
            await asyncio.sleep(FOR_EVER)
        return deadline.expired()

    asyncio.run(short())
    assert asyncio.run(long())


def test_outside_of_a_task_there_is_no_deadline() -> None:
    """A coroutine that no task runs cannot be ended, and is told so."""

    async def block() -> None:
        with Deadline(DeadlineTimer(FOR_EVER)):
            pytest.fail("it ran")

    async def is_manual() -> None:
        asyncio.get_running_loop().call_soon(step)
        await asyncio.sleep(0.01)

    def step() -> None:
        coroutine = block()
        with pytest.raises(RuntimeError, match="inside a task"):
            coroutine.send(None)
        told.append(True)

    told: list[bool] = []
    asyncio.run(is_manual())
    assert told == [True]
