"""Slots: how many calls run at a time, and how the running ones end when their session closes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from wxcv.errors import CallTimeoutError, SessionClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_CLOSED = "the session is closed; open a new one"


class Slot:
    """A slot that is had, with its deadline."""

    def __init__(self, scope: asyncio.Timeout) -> None:
        self._scope = scope

    def extend(self, seconds: float) -> None:
        """Move the deadline, for a wait that does not count."""
        when = self._scope.when()
        if when is not None and not self._scope.expired():
            self._scope.reschedule(when + seconds)


class Slots:
    """A semaphore, first come first served, with a deadline for whoever holds a slot.

    Args:
        count: how many may run at a time.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._waiting: set[asyncio.Timeout] = set()
        self._running: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self.closed = False

    async def run(self, work: Callable[[Slot], Awaitable[T]], deadline: float) -> T:
        """Wait for a slot, then run ``work`` with it for at most ``deadline`` seconds.

        Raises:
            CallTimeoutError: the deadline came.
            SessionClosedError: closed before, while waiting, or while running.
        """
        if self.closed:
            raise SessionClosedError(_CLOSED)
        scope = asyncio.timeout(None)
        try:
            async with scope:
                return await self._in_slot(work, deadline, scope)
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._waiting.discard(scope)
            self._running.discard(scope)
            if not self._running:
                self._idle.set()
        if self.closed:
            raise SessionClosedError(_CLOSED)
        raise CallTimeoutError(f"the call did not end within {deadline:g} s", reason="call_timeout")

    async def _in_slot(
        self, work: Callable[[Slot], Awaitable[T]], deadline: float, scope: asyncio.Timeout
    ) -> T:
        self._waiting.add(scope)
        async with self._free:
            if self.closed:
                raise SessionClosedError(_CLOSED)
            self._waiting.discard(scope)
            self._running.add(scope)
            scope.reschedule(asyncio.get_running_loop().time() + deadline)
            return await work(Slot(scope))

    async def aclose(self, grace: float) -> None:
        """End the waiting calls now, and the running ones when ``grace`` seconds have passed."""
        self.closed = True
        _end(self._waiting)
        if self._running:
            self._idle.clear()
            try:
                async with asyncio.timeout(grace):
                    await self._idle.wait()
            except TimeoutError:
                pass
            finally:  # also when closing itself is cancelled
                _end(self._running)
            await self._idle.wait()


def _end(scopes: set[asyncio.Timeout]) -> None:
    now = asyncio.get_running_loop().time()
    for scope in scopes:
        if not scope.expired():
            scope.reschedule(now)
