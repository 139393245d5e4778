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
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("there is no task that a deadline could end")
        self._task, self._cancelling = task, task.cancelling()
        self.when = self._all.watch(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._all.forget(self)
        if not self.passed:
            return False
        # As asyncio.timeout does: if the task was cancelled by others too, it stays cancelled.
        is_ours_alone = self._task.uncancel() <= self._cancelling
        return is_ours_alone and kind is asyncio.CancelledError

    def end(self) -> None:
        """End the block now."""
        if not self.passed:
            self.passed = True
            self._task.cancel()


class Deadlines:
    """Makes deadlines that come after the same time, on one event loop.

    Args:
        seconds: from the beginning of the block.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._watched: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, deadline: Deadline) -> float:
        """Watch it; return the moment at which it comes."""
        self._watched[deadline] = None
        loop = asyncio.get_running_loop()
        when = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(when, self._end_overdue)
        return when

    def forget(self, deadline: Deadline) -> None:
        """Watch it no more."""
        del self._watched[deadline]

    def _end_overdue(self) -> None:
        """End what is due; come again when the next is, or the first of those that are not set yet."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in self._watched:
            if deadline.when <= now:
                deadline.end()
        left = [deadline.when for deadline in self._watched if not deadline.passed]
        if left:
            self._timer = loop.call_at(min(*left, now + self.seconds), self._end_overdue)

    def end(self) -> None:
        """End all blocks now."""
        for deadline in self._watched:
            deadline.end()
