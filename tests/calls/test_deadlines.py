"""DeadlineTimer end blocks, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
from support.loops import run_by_set_clock

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


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    """Code after a block that ended in time runs on, and the next block has a deadline of its own."""

    async def blocks() -> list[bool]:
        deadlines, are_expired = DeadlineTimer(5), []
        for _ in range(3):
            with Deadline(deadlines) as deadline:
                await asyncio.sleep(4)
            are_expired.append(deadline.expired())
        return are_expired

    assert run_by_set_clock(blocks()) == [False] * 3


def test_each_block_has_its_own_moment() -> None:
    """Blocks that began one after another each end at their own time."""

    async def block(deadlines: DeadlineTimer, number: int) -> float:
        await asyncio.sleep(number * 2)
        with Deadline(deadlines):
            await asyncio.sleep(FOR_EVER)
        return asyncio.get_running_loop().time()

    async def blocks() -> list[float]:
        deadlines = DeadlineTimer(5)
        return await asyncio.gather(*(block(deadlines, number) for number in range(4)))

    assert run_by_set_clock(blocks()) == [5, 7, 9, 11]


def test_a_deadline_can_be_moved() -> None:
    """A moved deadline ends its block at the new time, after blocks that began later."""

    async def block(deadlines: DeadlineTimer, later: float) -> float:
        with Deadline(deadlines) as deadline:
            deadline.reschedule(deadline.when() + later)
            await asyncio.sleep(FOR_EVER)
        return asyncio.get_running_loop().time()

    async def blocks() -> list[float]:
        deadlines = DeadlineTimer(5)
        return await asyncio.gather(block(deadlines, 20), block(deadlines, 0))

    assert run_by_set_clock(blocks()) == [25, 5]


async def test_a_cancelled_task_stays_cancelled() -> None:
    """A cancellation at the moment of the deadline is not lost."""

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
    """An error that a block raises because it was ended is passed on."""
    with pytest.raises(ValueError, match="mine"), Deadline(DeadlineTimer(0.01)):
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            raise ValueError("mine") from None
    task = asyncio.current_task()

    assert task is not None
    assert task.cancelling() == 0


def test_deadlines_go_on_in_another_event_loop() -> None:
    """After the end of an event loop, deadlines work in the next one."""
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
    """A coroutine outside any task gets an error, as it cannot be ended."""

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
