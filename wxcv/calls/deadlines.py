"""Deadlines of one length: a single timer serves any number of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Deadline:
    """Ends a ``with`` block of the current task when it comes; the block is then left without an error.

    ``asyncio.timeout`` and aiohttp's ``total`` set a timer for each block, which almost always is cancelled
    again; for an upload of 20 KB that is a twentieth of the CPU that it costs. The methods are those of
    ``asyncio.Timeout``.

    Attributes:
        task: in which the block runs.
    """

    __slots__ = ("_all", "_cancelling", "_is_expired", "_when", "task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._all = deadlines
        self._is_expired = False

    def __enter__(self) -> Self:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("there is no task that a deadline could end")
        self.task, self._cancelling = task, task.cancelling()
        self._when = loop.time() + self._all.seconds
        self._all.add(self, self._when, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._all.remove(self)
        if not self._is_expired:
            return False
        # As asyncio.timeout does: if the task was cancelled by others too, it stays cancelled.
        is_ours_alone = self.task.uncancel() <= self._cancelling
        return is_ours_alone and kind is asyncio.CancelledError

    @property
    def is_task_cancelled(self) -> bool:
        """Whether anybody asked for the end of the task since the block began."""
        return self.task.cancelling() > self._cancelling

    def when(self) -> float:
        """Return the moment on the event loop's clock at which it comes."""
        return self._when

    def reschedule(self, when: float) -> None:
        """Let it come later, at this moment on the event loop's clock."""
        self._when = when

    def expired(self) -> bool:
        """Return whether it came."""
        return self._is_expired

    def expire(self) -> None:
        """End the block now."""
        if not self._is_expired:
            self._is_expired = True
            self.task.cancel()


class Deadlines:
    """Makes deadlines that come after the same time, on one event loop at a time.

    Args:
        seconds: from the beginning of the block.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._active: dict[Deadline, None] = {}
        # The loop in which a timer is set; the timer is never later than the first deadline.
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, deadline: Deadline, when: float, loop: asyncio.AbstractEventLoop) -> None:
        """Let the deadline of a block that begins come at that moment."""
        self._active[deadline] = None
        if self._loop is not loop:
            self._set_timer(when, loop)

    def remove(self, deadline: Deadline) -> None:
        """Forget the deadline of a block that ended."""
        del self._active[deadline]

    def _set_timer(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        loop.call_at(when, self._expire_due, loop)

    def _expire_due(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is due; come again when the next is, or the first of those that are not set yet."""
        self._loop = None
        now = loop.time()
        for deadline in self._active:
            if deadline.when() <= now:
                deadline.expire()
        later = [deadline.when() for deadline in self._active if not deadline.expired()]
        if later:
            self._set_timer(min(*later, now + self.seconds), loop)

    def end(self) -> None:
        """End all blocks now."""
        for deadline in self._active:
            deadline.expire()
