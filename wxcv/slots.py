"""Slots: how many calls run at a time, and how all of them end when their session closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from wxcv.deadlines import Deadline, Deadlines
from wxcv.errors import CallTimeoutError, SessionClosedError, WxcvError


class Slots:
    """A number of slots, first come first served, with a deadline for whoever holds one.

    Whoever wants a slot asks for a turn, awaits it, and leaves it in the end, whatever happened::

        turn = slots.turn()
        try:
            slots.require(had=await turn)
            with slots.deadline():
                return await work()
            raise slots.overdue()
        finally:
            slots.leave(turn)

    Args:
        count: how many may hold one at a time.
        seconds: for which one may be held.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.closed = False
        self._count = self.free = count
        self._deadlines = Deadlines(seconds)
        # asyncio.Semaphore cannot be closed. A turn is a bare future, as thousands may wait: its result tells
        # whether it came to a slot.
        self._queue: deque[asyncio.Future[bool]] = deque()
        self._idle = asyncio.Event()

    def turn(self) -> asyncio.Future[bool]:
        """Return a future that is done when a slot is had, or when there will be none."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.closed:
            turn.set_result(False)
        elif self.free:
            self.free -= 1
            turn.set_result(True)
        else:
            self._queue.append(turn)
        return turn

    def require(self, *, had: bool) -> None:
        """Raise SessionClosedError if the turn came to no slot, or closing has begun meanwhile."""
        if self.closed or not had:
            raise SessionClosedError("the session is closed; open a new one")

    def deadline(self) -> Deadline:
        """Return the scope in which a slot is held; its deadline, or the end of closing, ends it."""
        return Deadline(self._deadlines)

    def overdue(self) -> WxcvError:
        """Return why a scope was ended."""
        if self.closed:
            return SessionClosedError("the session was closed before the call had ended")
        seconds = self._deadlines.seconds
        return CallTimeoutError(f"the call did not end within {seconds:g} s", reason="call_timeout")

    def leave(self, turn: asyncio.Future[bool]) -> None:
        """Hand the slot on to the first who waits and was not cancelled, if the turn came to one."""
        if turn.cancel() or turn.cancelled() or not turn.result():
            return
        while self._queue:
            following = self._queue.popleft()
            if not following.done():
                following.set_result(True)
                return
        self.free += 1
        if self.free == self._count:
            self._idle.set()

    async def aclose(self, grace: float) -> None:
        """End the waiting calls now, and the running ones when ``grace`` seconds have passed."""
        self.closed = True
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(False)
        try:
            await self._wait_for_running(grace)
        finally:  # also when closing itself is cancelled
            self._deadlines.end()
        if self.free < self._count:
            await self._idle.wait()

    async def _wait_for_running(self, grace: float) -> None:
        if self.free < self._count:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()
