"""BatchRunner: does the work of a Batch."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from wxcv import nesting
from wxcv.batch.outcomes import Answered, Unanswered
from wxcv.callbacks import CallbackError, is_cancelled, notify
from wxcv.calls.events import CallEvent
from wxcv.calls.reports import find_status
from wxcv.errors import UnreadableImageError, WxcvError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable

    from wxcv.batch.outages import OutageDetector
    from wxcv.batch.outcomes import Outcome
    from wxcv.calls.reports import CallResult
    from wxcv.clock import Clock

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


async def _iterate(images: Iterable[ItemT] | AsyncIterable[ItemT]) -> AsyncGenerator[ItemT, None]:
    if hasattr(images, "__aiter__"):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image


class BatchRunner(Generic[ItemT, AnswerT]):
    """Does the work of a Batch, whose docstring is the contract.

    Args:
        work: makes one call for an image; its second argument is called before every attempt.
        images: the items.
        outages: the outage detector of the batch.
        clock: the source of time.
        concurrency: the number of workers.
        window: how many images may be in progress or have outcomes that were not consumed.
        ordered: yield the outcomes in the order of the images.
        key: returns the image of an item; None if the items are the images.
        has_sources: whether images may be answered without being sent, also after the batch was stopped.
        endpoint: the endpoint's name, for ``on_call``.
        on_call: called with the event of every outcome, before the outcome is given; or None.
        begin: called when the work begins; raises if the session is unusable.
        forget: called when the work has ended.
    """

    def __init__(  # noqa: PLR0913 - the settings of one stream
        self,
        work: Callable[[Any, Callable[[], None]], Awaitable[CallResult[AnswerT]]],
        images: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        outages: OutageDetector,
        clock: Clock,
        concurrency: int,
        window: int,
        ordered: bool,
        key: Callable[[ItemT], Any] | None,
        has_sources: bool = False,
        endpoint: str = "",
        on_call: Callable[[CallEvent], object] | None = None,
        begin: Callable[[BatchRunner[Any, Any]], None] = lambda _runner: None,
        forget: Callable[[BatchRunner[Any, Any]], None] = lambda _runner: None,
    ) -> None:
        self._work = work
        self._source = _iterate(images)
        self._outages = outages
        self._clock = clock
        self._concurrency = concurrency
        self._ordered = ordered
        self._key = key
        self._has_sources = has_sources
        self._endpoint = endpoint
        self._on_call = on_call
        self._begin = begin
        self._forget = forget
        self._capacity = asyncio.Semaphore(window)
        self._source_lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._ready: deque[Outcome[ItemT, AnswerT]] = deque()
        self._out_of_order: dict[int, Outcome[ItemT, AnswerT]] = {}
        self._pulled = self._given = self._ended = 0
        self._exhausted = self._closed = False
        self._stop: WxcvError | None = None
        self._fault: BaseException | None = None

    async def next_outcome(self) -> Outcome[ItemT, AnswerT]:
        """Return the next outcome, or raise StopAsyncIteration after the last."""
        if not self._workers and not self._exhausted:
            self._start()
        while not self._ready:
            if self._ended == len(self._workers):
                fault, self._fault = self._fault, None
                raise fault or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._capacity.release()
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Cancel and await all work; outcomes that were not consumed are dropped. May be called again."""
        await self.end(None)
        self._ready.clear()

    def stop_pulling(self, fault: WxcvError | None = None) -> None:
        """Consume no further images; running calls continue. If images may remain, raise ``fault`` last."""
        self._closed, self._fault = True, self._fault or (None if self._exhausted else fault)

    async def end(self, fault: WxcvError | None) -> None:
        """Cancel and await all work; if images remain, ``fault`` is raised after the ready outcomes."""
        self.stop_pulling()
        running = [worker for worker in self._workers if not worker.done()]
        if running or not self._exhausted:
            self._fault = self._fault or fault
        others = [worker for worker in running if not nesting.is_inside(worker)]
        for worker in others:
            worker.cancel()
        if others:
            await asyncio.wait(others)
        if len(others) == len(running):  # else it is the images' iterable that ends its own batch
            await self._source.aclose()
        self._forget(self)

    def _start(self) -> None:
        if not self._closed:
            self._begin(self)
        self._workers = [
            asyncio.create_task(self._run_worker(), name="wxcv batch") for _ in range(self._concurrency)
        ]
        for worker in self._workers:  # not in the worker, which may be cancelled before its first step
            worker.add_done_callback(self._record_end)

    async def _run_worker(self) -> None:
        nesting.enter(asyncio.current_task())
        try:
            while (pulled := await self._pull()) is not None:
                self._deliver(await self._process(*pulled))
        except asyncio.CancelledError:
            if self._closed or is_cancelled():
                raise
            self._break(RuntimeError("the call of an image was cancelled, but not by the batch"))
        except Exception as error:  # noqa: BLE001 - raised where the outcomes are consumed
            self._break(error)

    def _break(self, fault: BaseException) -> None:
        """Make all workers end, including those that wait for an outcome that will never be ready."""
        self._fault, self._exhausted = fault, True
        for _ in self._workers:
            self._capacity.release()

    def _record_end(self, _worker: asyncio.Task[None]) -> None:
        self._ended += 1
        self._changed.set()
        if self._ended == len(self._workers):
            self._forget(self)

    async def _pull(self) -> tuple[int, ItemT] | None:
        """Wait for capacity and return the next item with its index, or None at the end."""
        await self._capacity.acquire()
        async with self._source_lock:
            try:
                if not self._exhausted and not self._closed:
                    item = await anext(self._source)
                    self._pulled += 1
                    return self._pulled - 1, item
            except StopAsyncIteration:
                self._exhausted = True
            except asyncio.CancelledError:
                if self._closed or is_cancelled():
                    raise
                self._fault, self._exhausted = RuntimeError("the images' iterable was cancelled"), True
            except Exception as error:  # noqa: BLE001 - the caller's iterable may raise anything
                self._fault, self._exhausted = error, True
        self._capacity.release()  # so that the next worker ends too
        return None

    def _deliver(self, outcome: Outcome[ItemT, AnswerT]) -> None:
        if not self._ordered:
            self._ready.append(outcome)
        else:
            self._out_of_order[outcome.index] = outcome
            while (due := self._out_of_order.pop(self._given, None)) is not None:
                self._given += 1
                self._ready.append(due)
        self._changed.set()

    def _before_send(self) -> None:
        if self._stop is not None:
            raise self._copy_stop(self._stop, 0)

    @staticmethod
    def _copy_stop(stop: WxcvError, sends: int) -> WxcvError:
        """Return the error that stopped the batch as that of another image."""
        error = copy.copy(stop)
        error.sends, error.elapsed, error.image = sends, 0.0, None
        return error

    async def _process(self, index: int, item: ItemT) -> Outcome[ItemT, AnswerT]:
        """Return the outcome of an image, after ``on_call`` was called."""
        try:
            image: Any = item if self._key is None else self._key(item)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a caller's function
            refusal = UnreadableImageError(f"image {index}", f"key raised {CallbackError(error)}")
            return self._notify(_fail(index, item, None, refusal, "failed"))
        result, sends = await self._try_until_final(image)
        if result is not None:
            return self._notify(self._make_outcome(index, item, image, result, sends), result.report.queued)
        stop: Any = self._stop
        failure = self._copy_stop(stop, sends)
        return self._notify(_fail(index, item, image, failure, "failed" if sends else "not_sent", sends))

    def _notify(self, outcome: Outcome[ItemT, AnswerT], queued: float = 0.0) -> Outcome[ItemT, AnswerT]:
        if self._on_call is not None:
            status, source, sends = outcome.status, outcome.source, outcome.sends
            event = CallEvent(self._endpoint, status, source, sends, outcome.elapsed, queued)
            notify("on_call", self._on_call, event)
        return outcome

    async def _try_until_final(self, image: object) -> tuple[CallResult[AnswerT] | None, int]:
        """Return the final result of an image, or None if the batch was stopped before, and its sends."""
        sends, failing_since = 0, None
        while self._stop is None:
            result = await self._work(image, self._before_send)
            sends += result.report.sends
            if result.error is not None and result.error.account_wide:
                self._stop = self._stop or result.error
            delay = self._outages.retry_delay(result)
            if failing_since is None:
                failing_since = self._clock.monotonic()
            if delay is not None and self._outages.is_over:
                self._stop = self._stop or result.error
            elif delay is None or self._outages.is_patience_over(failing_since):
                return result, sends
            else:
                await self._clock.sleep(delay)
        if self._has_sources:  # one of them may know an image that is not sent any more
            result = await self._work(image, self._before_send)
            if result.error is None:
                return result, sends
        return None, sends

    def _make_outcome(
        self, index: int, item: ItemT, image: object, result: CallResult[AnswerT], sends: int
    ) -> Outcome[ItemT, AnswerT]:
        error, report = result.error, result.report
        if error is None:
            return Answered(
                index=index,
                item=item,
                image=image,
                answer=result.answer_if_ok,
                sends=sends,
                elapsed=report.elapsed,
                source=report.source,
            )
        status = find_status(error, report, sends + report.shared_sends, is_stopped=self._stop is not None)
        return _fail(index, item, image, error, status, sends, report.elapsed)


def _fail(  # noqa: PLR0913, PLR0917 - the fields of one outcome
    index: int,
    item: ItemT,
    image: object,
    error: WxcvError,
    status: Literal["failed", "not_sent", "unknown"],
    sends: int = 0,
    elapsed: float = 0.0,
) -> Unanswered[ItemT]:
    return Unanswered(
        index=index, item=item, image=image, status=status, error=error, sends=sends, elapsed=elapsed
    )
