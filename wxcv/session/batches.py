"""The batches of a Session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from wxcv import checks
from wxcv.batch.batch import Batch
from wxcv.batch.outages import OutageDetector
from wxcv.batch.processing import ImageProcessor
from wxcv.batch.runner import BatchRunner
from wxcv.calls.call import Call
from wxcv.calls.events import CallStart
from wxcv.images.sources import Image
from wxcv.session import arguments
from wxcv.session.quotas import SessionQuotas

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping

    from wxcv.calls.reports import CallReport, CallResult
    from wxcv.endpoints.base import Endpoint
    from wxcv.journal.journal import Journal
    from wxcv.journal.records import JournalRecord
    from wxcv.journal.runs import JournalRun

ItemT = TypeVar("ItemT")
ImageT = TypeVar("ImageT", bound=Image)
AnswerT = TypeVar("AnswerT")


class SessionBatches(SessionQuotas):
    """The batches of a Session."""

    @overload
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[ImageT] | AsyncIterable[ImageT],
        *,
        ordered: bool = False,
        key: None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
        journal: Journal | None = None,
    ) -> Batch[ImageT, AnswerT]: ...

    @overload
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        ordered: bool = False,
        key: Callable[[ItemT], Image],
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
        journal: Journal | None = None,
    ) -> Batch[ItemT, AnswerT]: ...

    @overload  # for a list of several kinds of images, which has no type of its own
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[Image] | AsyncIterable[Image],
        *,
        ordered: bool = False,
        key: None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
        journal: Journal | None = None,
    ) -> Batch[Image, AnswerT]: ...

    def batch(  # noqa: PLR0913 - the settings of one batch
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = False,
        key: Callable[[Any], Image] | None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
        journal: Journal | None = None,
    ) -> Batch[Any, AnswerT]:
        """Return a Batch that sends any number of images; see Batch for its contract.

        Args:
            endpoint: the endpoint, such as ``wxcv.SCAN_QRCODE``.
            images: an iterable or async iterable of images, of any length, even endless; consumed lazily.
            ordered: yield the outcomes in the order of the images rather than as they are ready.
            key: a function that returns the image of an item, so that items can be the messages of a queue;
                None if the items are the images.
            fields: extra fields for the endpoint, by name.
            window: with ``ordered``, the maximum number of images in progress or waiting for an earlier one;
                1 to 10 ** 9, and ``16 * concurrency`` by default. Below ``concurrency``, it reduces the
                concurrency. Without ``ordered`` it has no effect.
            journal: a Journal, or None. Every outcome is recorded in it before the batch yields it, and what
                it has an answer for is not sent again; see Journal. It needs ``credential.account``. With it,
                ``RetryPolicy(at_most_once=True)`` holds even if the process is killed.

        Raises:
            TypeError, ValueError: an argument is unusable; the message names it.
        """
        concurrency = self._state.slots.count
        arguments.check_endpoint(endpoint, fields)
        arguments.check_batch(images, key, ordered=ordered)
        widest = 16 * concurrency if window is None else checks.check_integer("window", window)
        run = None if journal is None else self._start_run(journal, endpoint, fields)
        runner: BatchRunner[Any, AnswerT] = BatchRunner(
            self._make_processor(endpoint, fields, key, run).process,
            images,
            concurrency=concurrency,
            window=widest if ordered else 2 * concurrency,
            ordered=ordered,
            begin=self._begin_batch,
            forget=self._runners.discard,
        )
        return Batch(runner)

    def _start_run(
        self, journal: Journal, endpoint: Endpoint[Any], fields: Mapping[str, str] | None
    ) -> JournalRun:
        checks.check_optional("journal", journal, "Journal", "start_run", "forget", "aclose")
        state = self._state
        return journal.start_run(
            endpoint,
            account=arguments.require_account("journal", self._credential),
            fields=fields or {},
            fit=state.loader.is_fitting,
            local_files=state.loader.local_files,
            at_most_once=state.retry_policy.at_most_once,
            concurrency=state.slots.count,
        )

    def _make_processor(
        self,
        endpoint: Endpoint[AnswerT],
        fields: Mapping[str, str] | None,
        key: Callable[[Any], Image] | None,
        run: JournalRun | None,
    ) -> ImageProcessor[Any, AnswerT]:
        state, credential = self._state, self._credential

        def make_call(
            image: Image, before_send: Callable[[], None], record: JournalRecord | None, report: CallReport
        ) -> Awaitable[CallResult[AnswerT]]:
            return Call(state, credential, endpoint, fields, before_send, record, report).run_to_result(image)

        return ImageProcessor(
            make_call,
            outages=OutageDetector(
                state.clock, state.call_timeout, lambda: state.tokens.seconds_until_retry(credential)
            ),
            clock=state.clock,
            key=key,
            has_sources=state.answer_sources is not None,
            start=CallStart(endpoint.name, endpoint.path),
            on_call_start=state.on_call_start,
            on_call=state.on_call,
            journal=run,
        )
