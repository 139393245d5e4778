"""Batch: a bounded stream of outcomes over one coroutine function."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from wxcv.errors import (
    CallTimeoutError,
    ConnectError,
    CredentialRejectedError,
    ImageError,
    PermissionDeniedError,
    QuotaExhaustedError,
    SessionClosedError,
    TokenRejectedError,
    UnreadableImageError,
    WxcvError,
)
from wxcv.outcomes import Outcome, Tried

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
    from types import TracebackType

    from wxcv.clock import Clock

AnswerT = TypeVar("AnswerT")

STOPS = (QuotaExhaustedError, PermissionDeniedError, CredentialRejectedError, TokenRejectedError)
"""Refusals that concern the account, and so every further image."""

_UNREACHED_IN_A_ROW = 50
_PAUSE = 5.0


class Weather:
    """Whether anything can be reached: for how long to pause, and when to give up.

    Args:
        clock: where time comes from.
        patience: seconds of trouble after which to give up.
        next_ask: gives the seconds until a token may be asked for again.
    """

    def __init__(self, clock: Clock, patience: float, next_ask: Callable[[], float]) -> None:
        self._clock = clock
        self._patience = patience
        self._next_ask = next_ask
        self._unreached = 0
        self._since: float | None = None

    def pause(self, tried: Tried[Any]) -> float | None:
        """Return the seconds to pause before the image is tried again; 0 to give up; None if all is well."""
        if tried.sends > tried.lost:
            self._unreached, self._since = 0, None
        self._unreached += tried.unreached
        if not self._is_trouble(tried):
            return None
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        left = self._since + self._patience - now
        wait = self._next_ask() if tried.wants_token else _PAUSE
        return max(0.0, min(max(wait, 0.01), left))

    def _is_trouble(self, tried: Tried[Any]) -> bool:
        if tried.error is None or tried.lost:
            return False
        if tried.wants_token:
            return tried.error.retryable
        is_unreached = isinstance(tried.error, ConnectError) and not tried.sends
        return is_unreached and self._unreached >= _UNREACHED_IN_A_ROW


async def _each(images: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    if hasattr(images, "__aiter__"):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Batch(Generic[AnswerT]):
    """Outcomes of any number of images, as they come or in the order of the images.

    Use it as ``async with session.batch(...) as outcomes: async for outcome in outcomes``; leaving the block
    ends all its work and leaves the session usable. At most ``2 * concurrency`` images are held at a time
    (ordered: ``concurrency`` are worked on, and up to ``window`` items wait for their turn), and images are
    taken only as fast as outcomes are. An error that the images' iterable raises is raised
    after the outcomes of what came before.

    After the first refusal that concerns the account (quota, permission, credential, token) nothing more is
    sent: what is under way finishes, and every image left is "not_sent" with that error. While nothing can
    be reached, or no token can be had because of the network, it pauses, and after ``call_timeout`` of that
    it ends in the same way.
    """

    def __init__(  # noqa: PLR0913 - the settings of one stream
        self,
        work: Callable[[Any, Callable[[], None]], Awaitable[Tried[AnswerT]]],
        images: Iterable[Any] | AsyncIterable[Any],
        *,
        weather: Weather,
        clock: Clock,
        concurrency: int,
        window: int,
        ordered: bool,
        key: Callable[[Any], Any] | None,
        forget: Callable[[Batch[Any]], None] = lambda _batch: None,
    ) -> None:
        self._work = work
        self._source = _each(images)
        self._weather = weather
        self._clock = clock
        self._concurrency = concurrency
        self._ordered = ordered
        self._key = key
        self._forget = forget
        self._room = asyncio.Semaphore(window)
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._ready: deque[Outcome[AnswerT]] = deque()
        self._early: dict[int, Outcome[AnswerT]] = {}
        self._pulled = self._given = self._ended = 0
        self._exhausted = self._closed = False
        self._stop: WxcvError | None = None
        self._fault: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[AnswerT]:
        if not self._workers and not self._exhausted:
            self._workers = [
                asyncio.create_task(self._worker(), name="wxcv batch") for _ in range(self._concurrency)
            ]
            for worker in self._workers:  # not in the worker, which may be cancelled before its first step
                worker.add_done_callback(self._note_end)
        while not self._ready:
            if self._ended == len(self._workers):
                fault, self._fault = self._fault, None
                raise fault or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._room.release()
        return self._ready.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End and await all work; outcomes that were not taken are dropped. May be called again."""
        await self.end(None)
        self._ready.clear()

    def pull_no_more(self) -> None:
        """Take no further images; what is under way goes on."""
        self._closed = True

    async def end(self, fault: WxcvError | None) -> None:
        """End and await all work; if images are left, ``fault`` is raised after the ready outcomes."""
        self.pull_no_more()
        left = [worker for worker in self._workers if not worker.done()]
        if left or not self._exhausted:
            self._fault = self._fault or fault
        for worker in left:
            worker.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._source.aclose()
        self._forget(self)

    async def _worker(self) -> None:
        try:
            while (pulled := await self._pull()) is not None:
                self._deliver(await self._outcome(*pulled))
        except asyncio.CancelledError:
            if self._closed or _is_cancelled():
                raise
            self._break(RuntimeError("the work on an image was cancelled by nobody"))
        except Exception as error:  # noqa: BLE001 - raised where the outcomes are taken
            self._break(error)

    def _break(self, fault: BaseException) -> None:
        """Let all workers end, also those that wait behind an outcome that will not come."""
        self._fault, self._exhausted = fault, True
        for _ in self._workers:
            self._room.release()

    def _note_end(self, _worker: asyncio.Task[None]) -> None:
        self._ended += 1
        self._news.set()
        if self._ended == len(self._workers):
            self._forget(self)

    async def _pull(self) -> tuple[int, Any] | None:
        """Return the next item with its index, when there is room for its outcome; None at the end."""
        await self._room.acquire()
        async with self._turn:
            try:
                if not self._exhausted and not self._closed:
                    item = await anext(self._source)
                    self._pulled += 1
                    return self._pulled - 1, item
            except StopAsyncIteration:
                self._exhausted = True
            except asyncio.CancelledError:
                if self._closed or _is_cancelled():
                    raise
                self._fault, self._exhausted = RuntimeError("the images' iterable was cancelled"), True
            except Exception as error:  # noqa: BLE001 - the caller's iterable may raise anything
                self._fault, self._exhausted = error, True
        self._room.release()  # for the next worker to find out too
        return None

    def _deliver(self, outcome: Outcome[AnswerT]) -> None:
        if not self._ordered:
            self._ready.append(outcome)
        else:
            self._early[outcome.index] = outcome
            while (due := self._early.pop(self._given, None)) is not None:
                self._given += 1
                self._ready.append(due)
        self._news.set()

    def _gate(self) -> None:
        if self._stop is not None:
            raise copy.copy(self._stop)

    async def _outcome(self, index: int, item: Any) -> Outcome[AnswerT]:  # noqa: ANN401 - the caller's
        try:
            image = item if self._key is None else self._key(item)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a caller's function
            reason = f"key raised {type(error).__name__}: {error}"
            refusal = UnreadableImageError(f"image {index}", reason)
            return Outcome(index, item, None, "failed", None, refusal, 0, 0.0)
        while self._stop is None:
            tried = await self._work(image, self._gate)
            pause = self._weather.pause(tried)
            if isinstance(tried.error, STOPS) or pause == 0:
                self._stop = self._stop or tried.error
            if not pause:
                return self._told(index, item, image, tried)
            await self._clock.sleep(pause)
        return Outcome(index, item, image, "not_sent", None, copy.copy(self._stop), 0, 0.0)

    def _told(self, index: int, item: Any, image: Any, tried: Tried[AnswerT]) -> Outcome[AnswerT]:  # noqa: ANN401 - the caller's
        error = tried.error
        status: Literal["ok", "failed", "not_sent", "unknown"] = "failed"
        if error is None:
            status = "ok"
        elif tried.lost:
            status = "unknown"
        elif tried.wants_token:
            status = "not_sent"
        elif not tried.sends and not isinstance(error, ImageError):
            later = self._stop is not None or isinstance(error, (CallTimeoutError, SessionClosedError))
            status = "not_sent" if later else "failed"
        return Outcome(index, item, image, status, tried.answer, error, tried.sends, tried.elapsed)
