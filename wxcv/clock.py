"""Time as the library sees it: the system's clocks, or one that a test sets."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a sleep, all in seconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back; on some systems they stand still in suspend."""

    def wall(self) -> float:
        """Return Unix time, which an administrator or a time server may set back or forth."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of the monotonic clock."""


class SystemClock:
    """The clocks of the operating system."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)


class ManualClock:
    """A clock that stands still until a test moves it; sleepers wake when it has passed their time.

    Args:
        wall: Unix time to start from; the monotonic clock starts at 0.
    """

    def __init__(self, wall: float = 1_600_000_000.0) -> None:
        self._monotonic = 0.0
        self._wall = wall
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """Return the seconds by which the clock was moved."""
        return self._monotonic

    def wall(self) -> float:
        """Return the Unix time it shows."""
        return self._wall

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._monotonic += seconds
        self._wall += seconds
        due = [woken for when, woken in self._sleepers if when <= self._monotonic]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._monotonic]
        for woken in due:
            if not woken.done():
                woken.set_result(None)

    def set_wall(self, wall: float) -> None:
        """Set the wall clock alone, as a time server or an administrator does."""
        self._wall = wall
