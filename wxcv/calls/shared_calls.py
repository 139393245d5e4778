"""SharedCalls: calls of the same image that run at the same time share one send."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wxcv.errors import WxcvError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from wxcv.calls.deadlines import Deadline
    from wxcv.calls.reports import CallReport
    from wxcv.calls.slots import Slot

AnswerT = TypeVar("AnswerT")


class SharedCall(Generic[AnswerT]):
    """The work for the answer of one image, in a task of its own, and the calls that wait for it.

    It holds the slot of the call that started it. That call waits like all others, and cancelling any of them
    does not affect the rest. If all are cancelled, the work is cancelled if nothing was sent; otherwise it is
    finished, so that the answer is kept.

    Args:
        report: the report of the call that started it.
        slot: the slot that the call handed over.
        work: returns the answer, by the deadline that it gets.
        forget: called when no further call may join.
    """

    def __init__(
        self,
        report: CallReport,
        slot: Slot,
        work: Callable[[Deadline], Awaitable[AnswerT]],
        forget: Callable[[], None],
    ) -> None:
        self.report = report
        self._slot = slot
        self._work = work
        self._forget = forget
        self._waiters: set[asyncio.Future[None]] = set()
        self.task = asyncio.create_task(self._run(), name="wxcv shared call")
        self.task.add_done_callback(self._wake_waiters)

    async def _run(self) -> tuple[AnswerT | None, WxcvError | None]:
        try:
            async with self._slot as deadline:
                return await self._work(deadline), None
        except WxcvError as error:
            return None, self.report.complete(error)

    def _wake_waiters(self, task: asyncio.Task[tuple[AnswerT | None, WxcvError | None]]) -> None:
        self._forget()
        self._slot.drop()  # if the task was cancelled before its first step
        if not task.cancelled():
            task.exception()  # those who wait raise it; if there are none, it concerns nobody
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
            if not self._waiters and not self.task.done() and not self.report.sends:
                self._forget()
                self.report.is_abandoned = True
                self.task.cancel()
        answer, error = self.task.result()
        if error is None:
            return answer  # type: ignore[return-value] # there is an answer or an error
        if report is not self.report:
            error = copy.copy(error)
            error.image = None  # it has another name there
        try:
            raise error
        finally:
            del error  # avoids a reference cycle through its own traceback


class SharedCalls:
    """The shared calls of one session."""

    def __init__(self) -> None:
        self._open: dict[Hashable, SharedCall[Any]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    def join(self, key: Hashable) -> SharedCall[Any] | None:
        """Return the shared call that gets the answer of the same image, or None."""
        return self._open.get(key)

    def start(
        self, key: Hashable, report: CallReport, slot: Slot, work: Callable[[Deadline], Awaitable[AnswerT]]
    ) -> SharedCall[AnswerT]:
        """Start a shared call that others may join; see SharedCall."""

        def forget() -> None:
            if self._open.get(key) is shared_call:
                del self._open[key]

        shared_call = SharedCall(report, slot, work, forget)
        self._open[key] = shared_call
        self._running.add(shared_call.task)
        shared_call.task.add_done_callback(self._running.discard)
        return shared_call

    async def wait_closed(self) -> None:
        """Wait until all shared calls have ended, which lost their slots before."""
        if self._running:
            await asyncio.wait(self._running)
