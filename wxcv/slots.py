"""Slots: how many calls run at a time, and how all of them end when their session closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from wxcv.errors import CallTimeoutError, SessionClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_CLOSED = "the session is closed; open a new one"


class Slots:
    """A number of slots, first come first served, with a deadline for whoever holds one.

    Args:
        count: how many may run at a time.
    """

    def __init__(self, count: int) -> None:
        self.free = count
        self.closed = False
        # asyncio.Semaphore cannot be closed, and a scope for each of thousands that wait would cost more.
        self._queue: deque[asyncio.Future[None]] = deque()
        self._running: dict[asyncio.Timeout, float] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()

    async def run(self, work: Callable[[asyncio.Timeout], Awaitable[T]], deadline: float) -> T:
        """Wait for a slot, then run ``work`` for at most ``deadline`` seconds; it gets the deadline's scope.

        Raises:
            CallTimeoutError: the deadline came.
            SessionClosedError: closed before, while waiting, or while running.
        """
        if self.free and not self.closed:
            self.free -= 1
        else:
            await self._wait()
        scope = asyncio.timeout(None)
        self._watch(scope, deadline)
        try:
            async with scope:
                return await work(scope)
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            del self._running[scope]
            self._hand_on()
            if not self._running:
                self._idle.set()
        if self.closed:
            raise SessionClosedError(_CLOSED)
        raise CallTimeoutError(f"the call did not end within {deadline:g} s", reason="call_timeout")

    def _watch(self, scope: asyncio.Timeout, deadline: float) -> None:
        """Note the deadline; all calls have the same number of seconds, so one timer serves them in turn."""
        loop = asyncio.get_running_loop()
        when = self._running[scope] = loop.time() + deadline
        if self._sweep is None:
            self._sweep = loop.call_at(when, self._end_overdue)

    def _end_overdue(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        for scope, when in self._running.items():
            if scope.when() is not None:
                continue
            if when > loop.time():
                self._sweep = loop.call_at(when, self._end_overdue)
                break
            scope.reschedule(when)

    def extend(self, scope: asyncio.Timeout, seconds: float) -> None:
        """Move the deadline of who holds a slot, for a wait that does not count."""
        if not scope.expired():
            scope.reschedule((scope.when() or self._running[scope]) + seconds)

    async def _wait(self) -> None:
        if self.closed:
            raise SessionClosedError(_CLOSED)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._hand_on()  # the slot had come in the same moment
            raise
        if self.closed:
            self._hand_on()
            raise SessionClosedError(_CLOSED)

    def _hand_on(self) -> None:
        """Give a slot to the first who waits and was not cancelled, or put it back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    async def aclose(self, grace: float) -> None:
        """End the waiting calls now, and the running ones when ``grace`` seconds have passed."""
        self.closed = True
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_exception(SessionClosedError(_CLOSED))
        try:
            await self._wait_for_running(grace)
        finally:  # also when closing itself is cancelled
            self._end_running()
        if self._running:
            await self._idle.wait()

    async def _wait_for_running(self, grace: float) -> None:
        if self._running:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()

    def _end_running(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        now = asyncio.get_running_loop().time()
        for scope in self._running:
            if not scope.expired():
                scope.reschedule(now)
