"""Slots: limit how many calls run at a time, and end all of them when their session closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from wxcv import nesting
from wxcv.calls.deadlines import Deadline, DeadlineTimer
from wxcv.errors import CallTimeoutError, SessionClosedError, SlotTimeoutError, WxcvError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType


class Slot:
    """The right to run during an ``async with`` block; entering it returns its Deadline."""

    __slots__ = ("_deadline", "_is_entered", "_is_handed_over", "_is_limited", "_slots", "_token", "_until")

    def __init__(self, slots: Slots, *, is_limited: bool, until: float | None = None) -> None:
        self._slots = slots
        self._is_limited = is_limited
        self._until = until
        self._is_entered = self._is_handed_over = False

    async def __aenter__(self) -> Deadline:
        if self._until is None and not self._slots.take_free_slot():
            await self._slots.wait_for_slot(is_limited=self._is_limited)
        self._is_entered = True
        self._token = nesting.enter(self)
        self._slots.held.add(self)
        self._deadline = Deadline(self._slots.deadlines, self._until)
        return self._deadline.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_ended_here = self._deadline.__exit__(kind, error, trace)
        nesting.leave(self._token)
        self._slots.held.discard(self)
        if not self._is_handed_over:
            self._slots.release()
        if is_ended_here:
            failure = self._slots.make_end_error()
            try:
                raise failure
            finally:
                failure.__context__ = None  # the cancellation is an implementation detail
                del failure  # avoids a reference cycle through its own traceback

    def hand_over(self) -> Slot:
        """Return this slot, with what is left of its time, for a block of another task.

        Leaving this block then releases nothing. The other block must be entered, or ``drop`` be called.
        """
        self._is_handed_over = True
        return Slot(self._slots, is_limited=self._is_limited, until=self._deadline.when())

    def drop(self) -> None:
        """Release a slot that was handed over, if its block was never entered."""
        if not self._is_entered:
            self._slots.release()


class Slots:
    """A number of slots, first come first served, with a deadline for every holder.

    ::

        async with slots.acquire():
            return await work()

    Args:
        count: the number of slots.
        seconds: how long a slot may be held.
        slot_timeout: seconds for which a call may wait for a slot, or None for no limit.
        max_waiting: how many calls may wait at a time, or None for no limit.

    Attributes:
        is_closed: whether closing has begun; no call gets a slot any more.
        free_count: how many slots are free.
        waiting_count: how many calls wait for a slot.
        held: the slots that are held.
        deadlines: the timer for the deadlines of the slots that are held.
    """

    def __init__(
        self,
        count: int,
        seconds: float,
        *,
        slot_timeout: float | None = None,
        max_waiting: int | None = None,
    ) -> None:
        self.is_closed = False
        self.count = self.free_count = count
        self.waiting_count = 0
        self.held: set[Slot] = set()
        self.deadlines = DeadlineTimer(seconds)
        self._max_waiting = max_waiting
        self._slot_timeout = slot_timeout
        self._queue_deadlines = None if slot_timeout is None else DeadlineTimer(slot_timeout)
        # asyncio.Semaphore cannot be closed. The result of a future is whether it got a slot.
        self._queue: deque[asyncio.Future[bool]] = deque()
        self._idle = asyncio.Event()

    def acquire(self, *, is_limited: bool = True) -> Slot:
        """Return a context manager that waits for a slot and releases it.

        Args:
            is_limited: whether ``slot_timeout`` and ``max_waiting`` apply.

        Raises (on entering or leaving the block):
            SlotTimeoutError: no slot in time, or too many calls are already waiting.
            SessionClosedError: closing has begun, or ended the block.
            CallTimeoutError: the block took too long.
        """
        return Slot(self, is_limited=is_limited)

    def take_free_slot(self) -> bool:
        """Take a slot, for which ``release`` must follow, or return False if none is free."""
        self._require_open()
        is_free = self.free_count > 0
        if is_free:
            self.free_count -= 1
        return is_free

    def wait_for_slot(self, *, is_limited: bool) -> Awaitable[None]:
        """Wait until a slot is passed on, when none is free; ``release`` must follow."""
        if is_limited and self._max_waiting is not None and self.waiting_count >= self._max_waiting:
            raise SlotTimeoutError(
                f"nothing was sent: {self.waiting_count} calls are already waiting for a slot (max_waiting)"
            )
        # Not a coroutine of its own: with thousands of callers, each would have one more.
        if not is_limited or self._queue_deadlines is None:
            return self._queue_up()
        return self._queue_up_in_time(self._queue_deadlines)

    async def _queue_up_in_time(self, deadlines: DeadlineTimer) -> None:
        with Deadline(deadlines):
            await self._queue_up()
            return
        raise SlotTimeoutError(f"nothing was sent: no slot within {self._slot_timeout:g} s (slot_timeout)")

    async def _queue_up(self) -> None:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append(future)
        self.waiting_count += 1
        try:
            await future
            self._require_open()
        except BaseException:
            if not future.cancel() and not future.cancelled() and future.result():
                self.release()  # cancelled at the moment of getting it
            raise
        finally:
            self.waiting_count -= 1

    def _require_open(self) -> None:
        if self.is_closed:
            raise SessionClosedError("the session is closed; open a new one")

    def is_held_here(self) -> bool:
        """Tell whether the running code is part of a call that holds a slot."""
        return any(map(nesting.is_inside, self.held))

    def make_end_error(self) -> WxcvError:
        """Make the error for a block that was ended by its deadline or by closing."""
        if self.is_closed:
            return SessionClosedError("the session was closed before the call finished")
        seconds = self.deadlines.seconds
        return CallTimeoutError(f"the call did not finish within {seconds:g} s", reason="call_timeout")

    def release(self) -> None:
        """Pass a slot to the first waiting call that was not cancelled, or free it."""
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(True)
                return
        self.free_count += 1
        if self.free_count == self.count:
            self._idle.set()

    async def aclose(self, grace: float) -> None:
        """End the waiting calls now, and the running ones after ``grace`` seconds."""
        self.is_closed = True
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(False)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._wait_until_idle()
        finally:  # also when closing itself is cancelled
            self.deadlines.expire_all()
        await self._wait_until_idle()

    async def _wait_until_idle(self) -> None:
        if self.free_count < self.count:
            self._idle.clear()
            await self._idle.wait()
