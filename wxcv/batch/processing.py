"""ImageProcessor: gets the outcome of each image of a batch."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from wxcv.batch.outcomes import Answered, Unanswered
from wxcv.callbacks import CallbackError, notify
from wxcv.calls.events import CallEvent
from wxcv.calls.reports import find_status
from wxcv.errors import JournalError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.batch.outages import OutageDetector
    from wxcv.batch.outcomes import Outcome
    from wxcv.calls.reports import CallResult
    from wxcv.clock import Clock
    from wxcv.errors import WxcvError
    from wxcv.journal.records import JournalRecord
    from wxcv.journal.runs import JournalRun

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class ImageProcessor(Generic[ItemT, AnswerT]):
    """Gets the outcome of each image of a batch, whose docstring is the contract.

    Args:
        make_call: makes one call for an image. Its second argument is called before every attempt; the third
            is the image's record in the journal, or None.
        outages: the outage detector of the batch.
        clock: the source of time.
        key: returns the image of an item; None if the items are the images.
        has_sources: whether images may be answered without being sent, also after the batch was stopped.
        endpoint: the endpoint's name, for ``on_call``.
        on_call: called with the event of every outcome, before the batch yields it; or None.
        journal: the batch's run in a journal, or None.
    """

    def __init__(  # noqa: PLR0913 - the settings of one batch
        self,
        make_call: Callable[[Any, Callable[[], None], JournalRecord | None], Awaitable[CallResult[AnswerT]]],
        *,
        outages: OutageDetector,
        clock: Clock,
        key: Callable[[ItemT], Any] | None = None,
        has_sources: bool = False,
        endpoint: str = "",
        on_call: Callable[[CallEvent], object] | None = None,
        journal: JournalRun | None = None,
    ) -> None:
        self._make_call = make_call
        self._outages = outages
        self._clock = clock
        self._key = key
        self._has_sources = has_sources
        self._endpoint = endpoint
        self._on_call = on_call
        self._journal = journal
        self._stop: WxcvError | None = None

    async def process(self, index: int, item: ItemT) -> Outcome[ItemT, AnswerT]:
        """Return the outcome of an image, after ``on_call`` was called; with a journal, it is durable.

        Raises:
            JournalError: the journal failed.
        """
        try:
            image: Any = item if self._key is None else self._key(item)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a caller's function
            refusal = UnreadableImageError(f"image {index}", f"key raised {CallbackError(error)}")
            return self._notify(_fail(index, item, None, refusal, "failed"))
        if self._journal is not None:
            return await self._process_with_journal(self._journal, index, item, image)
        result, sends = await self._try_until_final(image, None)
        return self._notify(*self._make_outcome(index, item, image, result, sends))

    async def _process_with_journal(
        self, journal: JournalRun, index: int, item: ItemT, image: object
    ) -> Outcome[ItemT, AnswerT]:
        """Return the outcome that the journal has, or a new one once the journal has it."""
        record = await journal.look_up(image)
        if record.known is not None:
            return self._notify(_restore(index, item, image, record))
        result, sends = await self._try_until_final(image, record)
        outcome, queued = self._make_outcome(index, item, image, result, sends)
        if record.known is not None:  # by its content, which was read
            outcome = _restore(index, item, image, record)
            await record.save_input()
        elif outcome.source == "journal":  # another call of the same image was recorded with its result
            await record.save_input()
        elif not record.is_saved:
            await record.save_call(
                outcome.status, outcome.answer, outcome.error, outcome.sends, outcome.source
            )
        return self._notify(outcome, queued)

    def _notify(self, outcome: Outcome[ItemT, AnswerT], queued: float = 0.0) -> Outcome[ItemT, AnswerT]:
        if self._on_call is not None:
            status, source, sends = outcome.status, outcome.source, outcome.sends
            event = CallEvent(self._endpoint, status, source, sends, outcome.elapsed, queued)
            notify("on_call", self._on_call, event)
        return outcome

    def _before_send(self) -> None:
        if self._stop is not None:
            raise self._copy_stop(self._stop, 0)

    @staticmethod
    def _copy_stop(stop: WxcvError, sends: int) -> WxcvError:
        """Return the error that stopped the batch as that of another image."""
        error = copy.copy(stop)
        error.sends, error.elapsed, error.image = sends, 0.0, None
        return error

    async def _try_until_final(
        self, image: object, record: JournalRecord | None
    ) -> tuple[CallResult[AnswerT] | None, int]:
        """Return the final result of an image, or None if the batch was stopped before, and its sends."""
        sends, failing_since = 0, None
        while self._stop is None:
            result = await self._make_call(image, self._before_send, record)
            sends += result.report.sends
            if record is not None and record.known is not None:
                return result, sends  # a recorded error is final, and says nothing about the network of today
            if result.error is not None:
                self._examine(result.error)
            delay = self._outages.retry_delay(result)
            if failing_since is None:
                failing_since = self._clock.monotonic()
            if delay is not None and self._outages.is_over:
                self._stop = self._stop or result.error
            elif delay is None or self._outages.is_patience_over(failing_since):
                return result, sends
            else:
                await self._clock.sleep(delay)
        return await self._find_unsent(image, record), sends

    async def _find_unsent(self, image: object, record: JournalRecord | None) -> CallResult[AnswerT] | None:
        """Return what a source or the journal has of an image that is not sent any more, or None."""
        if not self._has_sources and (record is None or not record.may_be_known):
            return None
        result = await self._make_call(image, self._before_send, record)
        is_known = record is not None and record.known is not None
        return result if result.error is None or is_known else None

    def _examine(self, error: WxcvError) -> None:
        """Stop the batch after an account-wide error; raise an error of the journal."""
        if isinstance(error, JournalError):
            raise self._copy_stop(error, 0)  # it is not about this image
        if error.account_wide:
            self._stop = self._stop or error

    def _make_outcome(
        self, index: int, item: ItemT, image: object, result: CallResult[AnswerT] | None, sends: int
    ) -> tuple[Outcome[ItemT, AnswerT], float]:
        """Return the outcome of an image, and the seconds for which its last call waited for a slot."""
        if result is None:
            stop: Any = self._stop
            failure = self._copy_stop(stop, sends)
            return _fail(index, item, image, failure, "failed" if sends else "not_sent", sends), 0.0
        error, report = result.error, result.report
        if error is None:
            answer: Any = result.answer
            outcome: Outcome[ItemT, AnswerT] = Answered(
                index=index,
                item=item,
                image=image,
                answer=answer,
                sends=sends,
                elapsed=report.elapsed,
                source=report.source,
            )
            return outcome, report.queued
        status = find_status(error, report, sends + report.shared_sends, is_stopped=self._stop is not None)
        return _fail(index, item, image, error, status, sends, report.elapsed), report.queued


def _restore(index: int, item: ItemT, image: object, record: JournalRecord) -> Outcome[ItemT, Any]:
    """Return the outcome that the journal has of an image."""
    known: Any = record.known
    if known.error is None:
        return Answered(
            index=index, item=item, image=image, answer=known.answer, sends=0, elapsed=0.0, source="journal"
        )
    return Unanswered(
        index=index, item=item, image=image, status=known.status, error=known.error, source="journal"
    )


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
