"""Deadlines of one length: a single timer serves any number of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Deadline:
    """Ends a ``with`` block of the current task when it comes; the block is then left without an error.

    ``asyncio.timeout`` and aiohttp's ``total`` set a timer for each block, which almost always is taken away
    again; for an upload of 20 KB that is a twentieth of the CPU that it costs.

    Attributes:
        when: the moment on the event loop's clock; it may be moved while the block runs.
        passed: whether it came.
    """

    __slots__ = ("_all", "_cancelling", "_task", "passed", "when")

    def __init__(self, deadlines: Deadlines) -> None:
        self._all = deadlines
        self.passed = False

    def __enter__(self) -> Self:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("there is no task that a deadline could end")
        self._task, self._cancelling = task, task.cancelling()
        self.when = loop.time() + self._all.seconds
        self._all.watched[self] = None
        if self._all.awake_in is not loop:
            self._all.wake_at(self.when, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        del self._all.watched[self]
        if not self.passed:
            return False
        # As asyncio.timeout does: if the task was cancelled by others too, it stays cancelled.
        is_ours_alone = self._task.uncancel() <= self._cancelling
        return is_ours_alone and kind is asyncio.CancelledError

    @property
    def is_task_cancelled(self) -> bool:
        """Whether anybody asked for the end of the task since the block began."""
        return self._task.cancelling() > self._cancelling

    def end(self) -> None:
        """End the block now."""
        if not self.passed:
            self.passed = True
            self._task.cancel()


class Deadlines:
    """Makes deadlines that come after the same time, on one event loop at a time.

    Args:
        seconds: from the beginning of the block.

    Attributes:
        watched: the deadlines of the blocks that run now.
        awake_in: the event loop in which a timer is set, which is never later than the first of them.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.watched: dict[Deadline, None] = {}
        self.awake_in: asyncio.AbstractEventLoop | None = None

    def wake_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer."""
        self.awake_in = loop
        loop.call_at(when, self._end_overdue, loop)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is due; come again when the next is, or the first of those that are not set yet."""
        self.awake_in = None
        now = loop.time()
        for deadline in self.watched:
            if deadline.when <= now:
                deadline.end()
        left = [deadline.when for deadline in self.watched if not deadline.passed]
        if left:
            self.wake_at(min(*left, now + self.seconds), loop)

    def end(self) -> None:
        """End all blocks now."""
        for deadline in self.watched:
            deadline.end()
