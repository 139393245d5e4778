"""BulkRun: reads the images of ``wxcv batch``, and can wait for quota."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import wxcv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from wxcv.cli.feed import Feed
    from wxcv.cli.waiting import QuotaWait

    Outcome = wxcv.Outcome[str, Any]


class BulkRun:
    """Reads images with a journal, in one batch after another.

    After an error that ends a batch, such as that of a used-up quota, the remaining images are not read. With
    a QuotaWait, the run waits for quota and reads them.

    Args:
        session: makes the calls.
        endpoint: reads the images.
        journal: records every outcome before ``report`` is called with it.
        feed: yields the images.
        report: called with every final outcome.
        fields: the extra fields of every call.
        wait: waits for quota; None ends the run instead.
        on_wait: called before a wait with its error and end, and with None after it.
        has_sources: whether the session has an answer source, which may know more images after such an error.

    Attributes:
        stopped_by: the error that ended the run before the last image, or None.
    """

    def __init__(  # noqa: PLR0913 - the settings of one run
        self,
        session: wxcv.Session,
        endpoint: wxcv.Endpoint[Any],
        journal: wxcv.Journal,
        feed: Feed,
        report: Callable[[Outcome], Awaitable[None]],
        *,
        fields: Mapping[str, str] | None = None,
        wait: QuotaWait | None = None,
        on_wait: Callable[[tuple[wxcv.WxcvError, datetime] | None], None] = lambda _: None,
        has_sources: bool = False,
    ) -> None:
        self.stopped_by: wxcv.WxcvError | None = None
        self._session = session
        self._endpoint = endpoint
        self._journal = journal
        self._feed = feed
        self._report = report
        self._fields = fields or None
        self._wait = wait
        self._on_wait = on_wait
        self._has_sources = has_sources
        self._batch: wxcv.Batch[str, Any] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def run(self) -> None:
        """Read the images.

        Raises:
            JournalError: the journal failed; outcomes that were reported are in it.
        """
        await self._read()
        while (error := self.stopped_by) is not None and self._wait is not None and is_quota_error(error):
            await self._sleep(self._wait, error)
            if self._is_stopped:
                return
            self._feed.is_trying = True
            await self._read()

    def stop(self) -> None:
        """Take no more images; ``run`` returns when the running calls are finished."""
        self._is_stopped = True
        if self._batch is not None:
            self._batch.stop()
        if self._waiting is not None:
            self._waiting.cancel()

    async def _read(self) -> None:
        """Read images until there are no more, or an error ends the batch."""
        self.stopped_by = None
        images = self._feed.take()
        async with self._session.batch(
            self._endpoint, images, fields=self._fields, journal=self._journal
        ) as outcomes:
            self._batch = outcomes
            if self._is_stopped:
                outcomes.stop()
            async for outcome in outcomes:
                await self._handle(outcome, outcomes)
        self._batch = None

    async def _handle(self, outcome: Outcome, outcomes: wxcv.Batch[str, Any]) -> None:
        """Report a final outcome; have an image whose outcome is not final read again after the wait."""
        error, is_new = outcome.error, outcome.source != "journal"
        is_final = error is None or not (error.account_wide or outcome.status == "not_sent")
        if is_final:
            if is_new and outcome.sends and self._feed.is_trying:
                self._end_trial()
        elif error is not None and is_new:
            self.stopped_by = self.stopped_by or error
            if not self._has_sources:
                outcomes.stop()
            if self._wait is not None and is_quota_error(self.stopped_by):
                self._feed.give_again(outcome.item)
                return
        self._feed.record(is_new=bool(outcome.sends) or (outcome.status == "ok" and is_new))
        await self._report(outcome)

    def _end_trial(self) -> None:
        self._feed.end_trying()
        if self._wait is not None:
            self._wait.succeeded()

    async def _sleep(self, wait: QuotaWait, error: wxcv.WxcvError) -> None:
        """Wait until there may be quota, or ``stop`` is called."""
        if self._is_stopped:
            return
        end = wait.find_end(error)
        self._on_wait((error, end))
        waiting = self._waiting = asyncio.create_task(wait.wait(end))
        try:
            await asyncio.wait({waiting})
        finally:
            waiting.cancel()
            self._waiting = None
        if not waiting.cancelled():
            waiting.result()
        self._on_wait(None)


def is_quota_error(error: wxcv.WxcvError) -> bool:
    """Return whether a quota or daily limit is used up."""
    return isinstance(error, (wxcv.QuotaExhaustedError, wxcv.DailyLimitError))
