"""ImageProcessor: gets the outcome of each image of a batch."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from wxcv.batch.outcomes import Answered, Unanswered
from wxcv.callbacks import CallbackError, notify
from wxcv.calls.events import CallEvent
from wxcv.calls.reports import CallReport, find_end, find_error_name, find_status
from wxcv.errors import JournalError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.batch.outages import OutageDetector
    from wxcv.batch.outcomes import Outcome
    from wxcv.calls.events import CallStart, CallStatus
    from wxcv.calls.reports import CallResult
    from wxcv.clock import Clock
    from wxcv.errors import WxcvError
    from wxcv.journal.records import JournalRecord
    from wxcv.journal.runs import JournalRun

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class ImageTries:
    """The calls that were made for one image of a batch.

    Attributes:
        report: of the last call.
    """

    __slots__ = ("_earlier_sends", "report")

    def __init__(self) -> None:
        self.report = CallReport()
        self._earlier_sends = 0

    @property
    def sends(self) -> int:
        """How many times these calls sent the image."""
        return self._earlier_sends + self.report.sends

    def begin(self) -> CallReport:
        """Return the report for another call."""
        self._earlier_sends = self.sends
        self.report = CallReport()
        return self.report


class ImageProcessor(Generic[ItemT, AnswerT]):
    """Gets the outcome of each image of a batch, whose docstring is the contract.

    Args:
        make_call: makes one call for an image. Its second argument is called before every attempt; the third
            is the image's record in the journal, or None; the fourth is the report of the call.
        outages: the outage detector of the batch.
        clock: the source of time.
        key: returns the image of an item; None if the items are the images.
        has_sources: whether images may be answered without being sent, also after the batch was stopped.
        start: the event for ``on_call_start``, the same for all images.
        on_call_start: called when the work on an image begins; or None.
        on_call: called with the event of every outcome, before the batch yields it, and of every image whose
            work began and that has no outcome; or None.
        journal: the batch's run in a journal, or None.
    """

    def __init__(  # noqa: PLR0913 - the settings of one batch
        self,
        make_call: Callable[
            [Any, Callable[[], None], JournalRecord | None, CallReport], Awaitable[CallResult[AnswerT]]
        ],
        *,
        outages: OutageDetector,
        clock: Clock,
        key: Callable[[ItemT], Any] | None = None,
        has_sources: bool = False,
        start: CallStart,
        on_call_start: Callable[[CallStart], object] | None = None,
        on_call: Callable[[CallEvent], object] | None = None,
        journal: JournalRun | None = None,
    ) -> None:
        self._make_call = make_call
        self._outages = outages
        self._clock = clock
        self._key = key
        self._has_sources = has_sources
        self._start = start
        self._on_call_start = on_call_start
        self._on_call = on_call
        self._journal = journal
        self._stop: WxcvError | None = None

    async def process(self, index: int, item: ItemT) -> Outcome[ItemT, AnswerT]:
        """Return the outcome of an image, after ``on_call`` was called; with a journal, it is durable.

        Raises:
            JournalError: the journal failed.
        """
        if self._on_call_start is not None:
            notify("on_call_start", self._on_call_start, self._start)
        tries = ImageTries()
        try:
            try:
                image: Any = item if self._key is None else self._key(item)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a caller's function
                refusal = UnreadableImageError(f"image {index}", f"key raised {CallbackError(error)}")
                outcome: Outcome[ItemT, AnswerT] = _fail(index, item, None, refusal, "failed")
            else:
                if self._journal is None:
                    result = await self._try_until_final(image, None, tries)
                    outcome = self._make_outcome(index, item, image, result, tries)
                else:
                    outcome = await self._process_with_journal(self._journal, index, item, image, tries)
        except (Exception, asyncio.CancelledError) as error:
            status = find_end(error, tries.report, tries.sends)
            self._notify_end(status, None, tries.report.elapsed, error, tries)
            raise
        self._notify_end(outcome.status, outcome.source, outcome.elapsed, outcome.error, tries)
        return outcome

    async def _process_with_journal(
        self, journal: JournalRun, index: int, item: ItemT, image: object, tries: ImageTries
    ) -> Outcome[ItemT, AnswerT]:
        """Return the outcome that the journal has, or a new one once the journal has it."""
        record = await journal.look_up(image)
        if record.known is not None:
            return _restore(index, item, image, record)
        result = await self._try_until_final(image, record, tries)
        outcome = self._make_outcome(index, item, image, result, tries)
        if record.known is not None:  # by its content, which was read
            outcome = _restore(index, item, image, record)
            await record.save_input()
        elif outcome.source == "journal":  # another call of the same image was recorded with its result
            await record.save_input()
        elif not record.is_saved:
            await record.save_call(
                outcome.status, outcome.answer, outcome.error, outcome.sends, outcome.source
            )
        return outcome

    def _notify_end(
        self,
        status: CallStatus,
        source: str | None,
        elapsed: float,
        error: BaseException | None,
        tries: ImageTries,
    ) -> None:
        if self._on_call is not None:
            event = CallEvent(
                self._start.endpoint,
                status,
                source,
                tries.sends,
                elapsed,
                tries.report.queued,
                find_error_name(error),
            )
            notify("on_call", self._on_call, event)

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
        self, image: object, record: JournalRecord | None, tries: ImageTries
    ) -> CallResult[AnswerT] | None:
        """Return the final result of an image, or None if the batch was stopped before."""
        failing_since = None
        while self._stop is None:
            result = await self._make_call(image, self._before_send, record, tries.begin())
            if record is not None and record.known is not None:
                return result  # a recorded error is final, and says nothing about the network of today
            if result.error is not None:
                self._examine(result.error)
            delay = self._outages.retry_delay(result)
            if failing_since is None:
                failing_since = self._clock.monotonic()
            if delay is not None and self._outages.is_over:
                self._stop = self._stop or result.error
            elif delay is None or self._outages.is_patience_over(failing_since):
                return result
            else:
                await self._clock.sleep(delay)
        return await self._find_unsent(image, record, tries)

    async def _find_unsent(
        self, image: object, record: JournalRecord | None, tries: ImageTries
    ) -> CallResult[AnswerT] | None:
        """Return what a source or the journal has of an image that is not sent any more, or None."""
        if not self._has_sources and (record is None or not record.may_be_known):
            return None
        result = await self._make_call(image, self._before_send, record, tries.begin())
        is_known = record is not None and record.known is not None
        return result if result.error is None or is_known else None

    def _examine(self, error: WxcvError) -> None:
        """Stop the batch after an account-wide error; raise an error of the journal."""
        if isinstance(error, JournalError):
            raise self._copy_stop(error, 0)  # it is not about this image
        if error.account_wide:
            self._stop = self._stop or error

    def _make_outcome(
        self, index: int, item: ItemT, image: object, result: CallResult[AnswerT] | None, tries: ImageTries
    ) -> Outcome[ItemT, AnswerT]:
        """Return the outcome of an image; a result of None means that its batch was stopped before."""
        sends = tries.sends
        if result is None:
            stop: Any = self._stop
            failure = self._copy_stop(stop, sends)
            return _fail(index, item, image, failure, "failed" if sends else "not_sent", sends)
        error, report = result.error, result.report
        if error is None:
            answer: Any = result.answer
            return Answered(
                index=index,
                item=item,
                image=image,
                answer=answer,
                sends=sends,
                elapsed=report.elapsed,
                source=report.source,
            )
        status = find_status(error, report, sends + report.shared_sends, is_stopped=self._stop is not None)
        return _fail(index, item, image, error, status, sends, report.elapsed)


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
