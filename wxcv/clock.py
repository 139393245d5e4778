"""Where wxcv takes time from: the system's clocks, or a clock that a test sets."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


_DAY = 86_400
_BEIJING = 8 * 3600  # seconds ahead of UTC; WeChat's days are those of UTC+8 all year


def end_of_day(wall: float, reset_hour: int = 0) -> float:
    """Return the Unix time at which the day of UTC+8 that began at ``reset_hour`` ends."""
    shift = _BEIJING - reset_hour * 3600
    return ((wall + shift) // _DAY + 1) * _DAY - shift


def next_midnight(wall: float) -> datetime:
    """Return the next midnight of UTC+8 after a Unix time, in UTC."""
    return datetime.fromtimestamp(end_of_day(wall), tz=UTC)


def format_in_utc_plus_8(wall: float) -> str:
    """Return a Unix time as people in China read it, such as "2026-11-23 00:00+08:00"."""
    when = datetime.fromtimestamp(wall, timezone(timedelta(seconds=_BEIJING)))
    return when.isoformat(sep=" ", timespec="minutes")


class Clock(Protocol):
    """Two clocks, a sleep and a timeout; all times are in seconds."""

    def monotonic(self) -> float:
        """Return seconds that never decrease; on some systems they stop while the computer is suspended."""

    def wall(self) -> float:
        """Return Unix time, which an administrator or a time server may change."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of the monotonic clock."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel the block after that many seconds and raise TimeoutError, as asyncio.timeout does."""


class SystemClock:
    """The clocks of the operating system."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)
    timeout = staticmethod(asyncio.timeout)


class ManualClock:
    """A clock for tests that stands still until ``advance`` or ``set_wall`` is called.

    A sleep ends when the clock has been advanced past its time.

    Args:
        wall: Unix time to start from; the monotonic clock starts at 0.
    """

    def __init__(self, wall: float = 1_600_000_000.0) -> None:
        self._monotonic = 0.0
        self._wall = wall
        self._due: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        """Return the seconds by which the clock has been advanced."""
        return self._monotonic

    def wall(self) -> float:
        """Return the clock's Unix time."""
        return self._wall

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by that many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._due.append((self._monotonic + seconds, woken.set))
        await woken.wait()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Raise TimeoutError from the block when the clock has been advanced by that many seconds."""
        scope, loop = asyncio.timeout(None), asyncio.get_running_loop()
        due = (self._monotonic + seconds, lambda: scope.reschedule(loop.time()))
        self._due.append(due)
        try:
            async with scope:
                yield
        finally:
            if due in self._due:
                self._due.remove(due)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by that many seconds."""
        self._monotonic += seconds
        self._wall += seconds
        due = [act for when, act in self._due if when <= self._monotonic]
        self._due = [one for one in self._due if one[0] > self._monotonic]
        for act in due:
            act()

    def set_wall(self, wall: float) -> None:
        """Set the wall clock only, as a time server or an administrator does."""
        self._wall = wall
