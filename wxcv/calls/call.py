"""Call: waits for a slot, reads the image, and gets its answer from a source, a shared call or WeChat."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar

from wxcv.callbacks import notify
from wxcv.calls.attempts import Attempts
from wxcv.calls.deadlines import Deadline
from wxcv.calls.events import CallEvent, CallStart
from wxcv.calls.reports import CallResult, find_end, find_error_name, find_status
from wxcv.calls.shared_calls import SharedCall
from wxcv.calls.source_query import KEEP_SECONDS, SourceQuery
from wxcv.calls.state import AnswerSources
from wxcv.errors import ImageRejectedError, WxcvError
from wxcv.images.loading import UnfittedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from wxcv.calls.answer_cache import CachedAnswers
    from wxcv.calls.reports import CallReport
    from wxcv.calls.slots import Slot
    from wxcv.calls.source_query import CallRecord
    from wxcv.calls.state import SessionState
    from wxcv.endpoints.base import Endpoint
    from wxcv.images.loading import LoadedImage
    from wxcv.images.sources import Image, ImageUrl, LocalImage
    from wxcv.tokens.credential import Credential

AnswerT = TypeVar("AnswerT")

_SAVE_SECONDS = 3600.0  # to record a result: one that was paid for is not lost because the disk is slow


class Call(Generic[AnswerT]):
    """One call.

    Args:
        state: the state that the calls of its session share.
        credential: the credential of the account.
        endpoint: the endpoint to call.
        fields: the extra fields of the call.
        before_send: see Attempts. With it, as in a batch, the wait for a slot is not limited either.
        record: records the result before anyone gets it; or None.
        report: the report of the call, nothing of which has been done; or None for a new one.

    Attributes:
        report: what the call has done so far.
    """

    __slots__ = ("_attempts", "_fields", "_record", "_state", "report")

    def __init__(  # noqa: PLR0913, PLR0917 - made for every image
        self,
        state: SessionState,
        credential: Credential,
        endpoint: Endpoint[AnswerT],
        fields: Mapping[str, str] | None,
        before_send: Callable[[], None] | None = None,
        record: CallRecord | None = None,
        report: CallReport | None = None,
    ) -> None:
        self._state = state
        self._record = record
        begin_send = None if record is None else record.begin
        self._attempts = Attempts(state, credential, endpoint, before_send, begin_send, report)
        self._fields = fields
        self.report = self._attempts.report

    def run(self, image: Image) -> Coroutine[Any, Any, AnswerT]:
        """Make the call, call ``on_call``, and return the answer.

        Raises:
            WxcvError: the call failed; it is completed with what the report knows.
        """
        return self._run(image, is_alone=True)

    async def run_to_result(self, image: Image) -> CallResult[AnswerT]:
        """Make the call and return its result: the answer or the error, and the report."""
        try:
            return CallResult(await self._run(image), None, self.report)
        except WxcvError as error:
            return CallResult(None, error, self.report)

    def _notify_end(self, error: BaseException | None = None) -> None:
        on_call, report = self._state.on_call, self.report
        if on_call is not None:
            source = report.source if error is None else None
            status = "ok" if error is None else find_end(error, report, report.all_sends)
            event = CallEvent(
                self._attempts.endpoint.name,
                status,
                source,
                report.sends,
                report.elapsed,
                report.queued,
                find_error_name(error),
            )
            notify("on_call", on_call, event)

    async def _run(self, image: Image, *, is_alone: bool = False) -> AnswerT:
        """Make the call, with a complete report and error; outside a batch, call both functions too."""
        state, report = self._state, self.report
        if is_alone and state.on_call_start is not None:
            endpoint = self._attempts.endpoint
            notify("on_call_start", state.on_call_start, CallStart(endpoint.name, endpoint.path))
        report.asked_at = state.clock.monotonic()
        slot = state.slots.acquire(is_limited=self._attempts.before_send is None)
        answer: AnswerT | SharedCall[AnswerT]
        try:
            state.bind_to_running_loop()
            async with slot as deadline:
                state.calls += 1
                report.started_at = state.clock.monotonic()
                load = state.loader.load
                loaded = state.loader.load_bytes(image) if type(image) is bytes else await load(image)
                report.image = loaded.name
                if self._is_sent_as_it_is(loaded):
                    answer = await self._attempts.send(loaded, self._fields, deadline)
                else:
                    sources = state.answer_sources or AnswerSources((), None, (), None)
                    query = self._make_query(loaded, sources)
                    del loaded  # the query holds it no longer than it must
                    answer = await self._find_or_send(query, sources, slot, deadline)
                    del query
            if isinstance(answer, SharedCall):
                answer = await self._wait_for_shared(answer, deadline.when())
        except (Exception, asyncio.CancelledError) as error:
            report.finish(state.clock.monotonic())
            complete = report.complete(error) if isinstance(error, WxcvError) else error
            if is_alone:
                self._notify_end(complete)
            if complete is error:
                raise
            raise complete from error
        report.finish(state.clock.monotonic())
        if is_alone and state.on_call is not None:
            self._notify_end()
        return answer

    def _is_sent_as_it_is(self, image: LoadedImage) -> TypeGuard[LocalImage | ImageUrl]:
        """Return whether no source and no record has to be asked, and the image need not be made smaller."""
        is_asked = self._state.answer_sources is not None or self._record is not None
        return not is_asked and not isinstance(image, UnfittedImage)

    def _make_query(self, image: LoadedImage, sources: AnswerSources) -> SourceQuery[AnswerT]:
        endpoint, loader = self._attempts.endpoint, self._state.loader
        has_cache = sources.cache is not None
        return SourceQuery(endpoint, image, self._fields or {}, loader, has_cache=has_cache)

    async def _find_or_send(
        self, query: SourceQuery[AnswerT], sources: AnswerSources, slot: Slot, deadline: Deadline
    ) -> AnswerT | SharedCall[AnswerT]:
        """Return the first answer of a source, or WeChat's, or the shared call that will have it."""
        credential, shared_calls = self._attempts.credential, self._state.shared_calls
        cache, report, record = sources.cache, self.report, self._record
        if record is not None and (known := await record.find(query.original)) is not None:
            report.source = "journal"
            if known.error is not None:
                raise known.error
            return known.answer  # type: ignore[no-any-return] # of this call's endpoint
        answer, report.source = await query.find(sources.before)
        if answer is not None:
            return answer
        if cache is None and record is None and not sources.may_keep:
            return query.scale(await self._attempts.send(await query.fit(), self._fields, deadline))
        cached, key = None, object()
        if cache is not None:
            cached = cache.for_call(credential.account or credential.key, sources.store)
            answer, report.source = await query.find_kept(cached)
            if answer is not None:
                return answer
            key = cached.key or key  # without a key, its hash could not be computed, and it is not shared
        if record is not None:
            key = record.key
        # No other task runs between the search in the cache and this, so that nothing is sent twice.
        shared_call: SharedCall[AnswerT] | None = shared_calls.join(key)
        if shared_call is None:
            work = partial(self._work, query, sources, cached)
            shared_call = shared_calls.start(key, report, slot.hand_over(), work)
        return shared_call

    async def _work(
        self,
        query: SourceQuery[AnswerT],
        sources: AnswerSources,
        cached: CachedAnswers | None,
        publish: Callable[[AnswerT], None],
        deadline: Deadline,
    ) -> None:
        """Get the answer for all calls that wait for it, and keep it, in the task of the shared call."""
        record = self._record
        try:
            await self._get_and_keep(query, sources, cached, publish, deadline)
        except WxcvError:
            if record is None or record.known is None or record.known.error is not None:
                raise
            publish(record.known.answer)
        finally:
            if record is not None:
                record.end()

    async def _get_and_keep(
        self,
        query: SourceQuery[AnswerT],
        sources: AnswerSources,
        cached: CachedAnswers | None,
        publish: Callable[[AnswerT], None],
        deadline: Deadline,
    ) -> None:
        answer, self.report.source = await query.find(sources.after)
        if answer is not None:
            await self._record_answer(answer, deadline)
            publish(answer)
            return
        try:
            answer = await self._send(query, deadline)
        except ImageRejectedError as error:
            if cached is not None:
                cached.keep_rejection(error)
            raise
        scaled = query.scale(answer)
        if cached is not None:
            cached.remember(scaled)
        await self._record_answer(scaled, deadline)
        publish(scaled)
        deadline.reschedule(deadline.when() + KEEP_SECONDS)
        await query.keep((*sources.before, *sources.after), cached, answer, self._state.clock)

    async def _send(self, query: SourceQuery[AnswerT], deadline: Deadline) -> AnswerT:
        """Send the image; an error that cost a send is recorded before it is raised."""
        image, record, report = await query.fit(), self._record, self.report
        if record is None:
            return await self._attempts.send(image, self._fields, deadline)
        try:
            return await self._attempts.send(image, self._fields, deadline)
        except WxcvError as error:
            if record.known is not None:  # of a call that has ended meanwhile
                raise
            report.finish(self._state.clock.monotonic())
            failure = report.complete(error)
            if report.unanswered or (report.sends and not report.is_waiting_for_token):
                status = find_status(failure, report, report.sends)
                deadline.reschedule(deadline.when() + _SAVE_SECONDS)
                await record.save_call(status, None, failure, report.sends, None)
            raise
        finally:
            if not report.sends:
                await asyncio.shield(record.withdraw())

    async def _record_answer(self, answer: AnswerT, deadline: Deadline) -> None:
        """Record the answer before anyone gets it."""
        if self._record is not None:
            deadline.reschedule(deadline.when() + _SAVE_SECONDS)
            report = self.report
            await self._record.save_call("ok", answer, None, report.sends, report.source)

    async def _wait_for_shared(self, shared_call: SharedCall[AnswerT], until: float) -> AnswerT:
        """Return the answer of a shared call, which has the slot and the deadline of its first call."""
        report, slots = self.report, self._state.slots
        if shared_call.report is report:
            return await shared_call.wait(report)
        try:
            if self._attempts.before_send is not None:
                return await shared_call.wait(report)
            with Deadline(slots.deadlines, until):
                return await shared_call.wait(report)
            raise slots.make_end_error()
        finally:
            report.copy_result_of(shared_call.report, "cache" if self._record is None else "journal")
