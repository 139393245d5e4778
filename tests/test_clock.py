"""Clocks."""

from __future__ import annotations

import asyncio

import pytest

import wxcv
from wxcv.clock import SystemClock


async def test_a_sleeper_wakes_when_the_clock_has_passed_its_time() -> None:
    """A manual clock wakes those whose time has come, and no others."""
    clock = wxcv.ManualClock(wall=1000.0)
    short, long = asyncio.create_task(clock.sleep(5)), asyncio.create_task(clock.sleep(10))
    await clock.sleep(0)

    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not short.done()
    clock.advance(0.1)
    await short
    assert not long.done()
    clock.advance(100)
    await long
    assert (clock.monotonic(), clock.wall()) == (105.0, 1105.0)


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    """Moving the clock past a sleeper that was cancelled does nothing."""
    clock = wxcv.ManualClock()
    sleeper = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    clock.advance(10)

    assert sleeper.cancelled()


async def test_a_timeout_ends_when_the_clock_has_passed_it() -> None:
    """A timeout of a manual clock raises when the clock is moved past it, unless its block has ended."""
    clock = wxcv.ManualClock()

    async def wait() -> None:
        async with clock.timeout(10):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    async with clock.timeout(5):
        pass
    clock.advance(9)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(1)
    with pytest.raises(TimeoutError):
        await waiting


def test_the_wall_clock_can_be_set_alone() -> None:
    """Setting the wall clock leaves the monotonic clock where it is."""
    clock = wxcv.ManualClock()
    assert (clock.monotonic(), clock.wall()) == (0.0, 1_600_000_000.0)
    clock.set_wall(5.0)

    assert (clock.monotonic(), clock.wall()) == (0.0, 5.0)


async def test_the_systems_clocks_move() -> None:
    """The system's clock goes on by itself."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)

    assert clock.monotonic() >= before
    assert clock.wall() > 1_600_000_000
