"""SharedCalls: calls of the same image that run at the same time share one send."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wxcv import nesting
from wxcv.errors import WxcvError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from wxcv.calls.deadlines import Deadline
    from wxcv.calls.reports import CallReport
    from wxcv.calls.slots import Slot

AnswerT = TypeVar("AnswerT")


class SharedCall(Generic[AnswerT]):
    """The work for the answer of one image, in a task of its own, and the calls that wait for it.

    It holds the slot of the call that started it, also while the answer is being kept, which nobody waits
    for. That call waits like all others, and cancelling any of them does not affect the rest. With nobody
    left, only a request that has begun is finished, so that the answer that was paid for is kept.

    Args:
        report: the report of the call that started it.
        slot: the slot that the call handed over.
        work: gets the answer, by the deadline that it is given, and calls ``publish`` with it.
        forget: called when no further call may join.
    """

    def __init__(
        self,
        report: CallReport,
        slot: Slot,
        work: Callable[[Callable[[AnswerT], None], Deadline], Awaitable[None]],
        forget: Callable[[], None],
    ) -> None:
        self.report = report
        self.slot = slot
        self._work = work
        self._forget = forget
        self._answer: tuple[AnswerT] | None = None  # an endpoint of the caller's may answer None
        self._error: WxcvError | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self.task = asyncio.create_task(self._run(), name="wxcv shared call")
        self.task.add_done_callback(self._end)

    async def _run(self) -> None:
        try:
            async with self.slot as deadline:
                await self._work(self._publish, deadline)
        except WxcvError as error:
            self._error = self.report.complete(error)

    def _publish(self, answer: AnswerT) -> None:
        self._answer = (answer,)
        self._forget()
        self._wake_waiters()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._forget()
        self.slot.drop()  # if the task was cancelled before its first step
        if not task.cancelled():
            task.exception()  # those who wait raise it; if there are none, it concerns nobody
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, report: CallReport) -> AnswerT:
        """Return the answer to the call with this report.

        Raises:
            WxcvError: the work failed; whoever did not start the shared call gets a copy without sends.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if not self._waiters and self._answer is None:
                self._abandon()
        if self._answer is not None:
            return self._answer[0]
        error = self._error or self.task.exception()  # raises CancelledError, if it was cancelled
        if report is not self.report and isinstance(error, WxcvError):
            error = copy.copy(error)
            error.image = None  # it has another name there
        try:
            raise error  # type: ignore[misc] # there is one, as there is no answer
        finally:
            del error  # avoids a reference cycle through its own traceback

    def _abandon(self) -> None:
        """Send nothing more, as nobody waits any more."""
        self._forget()
        self.report.is_abandoned = True
        if not self.report.is_sending:
            self.task.cancel()


class SharedCalls:
    """The shared calls of one session."""

    def __init__(self) -> None:
        self._open: dict[Hashable, SharedCall[Any]] = {}
        self._running: set[SharedCall[Any]] = set()

    def join(self, key: Hashable) -> SharedCall[Any] | None:
        """Return the shared call that gets the answer of the same image, or None."""
        return self._open.get(key)

    def start(
        self,
        key: Hashable,
        report: CallReport,
        slot: Slot,
        work: Callable[[Callable[[AnswerT], None], Deadline], Awaitable[None]],
    ) -> SharedCall[AnswerT]:
        """Start a shared call that others may join; see SharedCall."""

        def forget() -> None:
            if self._open.get(key) is shared_call:
                del self._open[key]

        shared_call = SharedCall(report, slot, work, forget)
        self._open[key] = shared_call
        self._running.add(shared_call)
        shared_call.task.add_done_callback(lambda _task: self._running.discard(shared_call))
        return shared_call

    async def wait_closed(self) -> None:
        """Wait until all shared calls have ended, but for those that wait for this very code."""
        others = {one.task for one in self._running if not nesting.is_inside(one.slot)}
        if others:
            await asyncio.wait(others)
