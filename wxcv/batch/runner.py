"""BatchRunner: does the work of a Batch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wxcv import nesting
from wxcv.callbacks import is_cancelled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable

    from wxcv.batch.outcomes import Outcome
    from wxcv.errors import WxcvError

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


def _iterate(images: Iterable[ItemT]) -> Generator[ItemT, None, None]:
    yield from images


async def _iterate_async(images: AsyncIterable[ItemT]) -> AsyncGenerator[ItemT, None]:
    async for image in images:
        yield image


class BatchRunner(Generic[ItemT, AnswerT]):
    """Does the work of a Batch, whose docstring is the contract.

    Args:
        process: returns the outcome of an item; the first argument is its index.
        images: the items.
        concurrency: the number of workers.
        window: how many images may be in progress or have outcomes that were not consumed.
        ordered: yield the outcomes in the order of the images.
        begin: called when the work begins; raises if the session is unusable.
        forget: called when the work has ended.
    """

    def __init__(  # noqa: PLR0913 - the settings of one stream
        self,
        process: Callable[[int, ItemT], Awaitable[Outcome[ItemT, AnswerT]]],
        images: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        concurrency: int,
        window: int,
        ordered: bool,
        begin: Callable[[BatchRunner[Any, Any]], None] = lambda _runner: None,
        forget: Callable[[BatchRunner[Any, Any]], None] = lambda _runner: None,
    ) -> None:
        self._process = process
        self._async_source = _iterate_async(images) if isinstance(images, AsyncIterable) else None
        self._source = _iterate(() if isinstance(images, AsyncIterable) else images)
        self._concurrency = concurrency
        self._ordered = ordered
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
        self._puller: asyncio.Task[Any] | None = None  # the worker that waits for the next item
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

    def stop(self) -> None:
        """Consume no further images, not even one that is awaited; running calls and outcomes continue."""
        self.stop_pulling()
        if self._puller is not None and not nesting.is_inside(self._puller):
            self._puller.cancel()

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
            self._source.close()
            if self._async_source is not None:
                await self._async_source.aclose()
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
        try:
            if not self._exhausted and not self._closed:
                source = self._async_source
                item = next(self._source) if source is None else await self._pull_from(source)
                self._pulled += 1
                return self._pulled - 1, item
        except (StopIteration, StopAsyncIteration):
            self._exhausted = True
        except asyncio.CancelledError:
            if self._closed or is_cancelled():
                raise
            self._fault, self._exhausted = RuntimeError("the images' iterable was cancelled"), True
        except Exception as error:  # noqa: BLE001 - the caller's iterable may raise anything
            self._fault, self._exhausted = error, True
        self._capacity.release()  # so that the next worker ends too
        return None

    async def _pull_from(self, source: AsyncGenerator[ItemT, None]) -> ItemT:
        """Return the next item of an async iterable, for which one worker waits at a time."""
        async with self._source_lock:
            if self._exhausted or self._closed:
                raise StopAsyncIteration
            self._puller = asyncio.current_task()
            try:
                return await anext(source)
            finally:
                self._puller = None

    def _deliver(self, outcome: Outcome[ItemT, AnswerT]) -> None:
        if not self._ordered:
            self._ready.append(outcome)
        else:
            self._out_of_order[outcome.index] = outcome
            while (due := self._out_of_order.pop(self._given, None)) is not None:
                self._given += 1
                self._ready.append(due)
        self._changed.set()
