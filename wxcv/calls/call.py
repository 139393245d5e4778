"""Call: waits for a slot, reads the image, gets a token, sends, decodes the answer, and retries."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from wxcv.callbacks import CallbackError
from wxcv.calls.events import AttemptEvent
from wxcv.calls.limits import DAILY_QUOTA
from wxcv.calls.reports import CallReport, CallResult
from wxcv.calls.source_query import SourceQuery
from wxcv.calls.token_retry import send_with_refresh
from wxcv.clock import next_midnight
from wxcv.endpoints.scaling import scale_answer
from wxcv.errors import APIError, QuotaExhaustedError, RateLimitedError, WxcvError
from wxcv.images.sources import ImageUrl, LocalImage
from wxcv.protocol.answers import Response, read_answer
from wxcv.protocol.requests import Request, add_token, build_image_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wxcv.calls.deadlines import Deadline
    from wxcv.calls.pacing import Pacer
    from wxcv.calls.state import SessionState
    from wxcv.endpoints.base import Endpoint
    from wxcv.images.sources import Image
    from wxcv.tokens.credential import Credential

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")

_LEAST_REMAINING = 1.0  # seconds that must remain for an attempt after a wait
_MOST_THROTTLINGS = 10  # of one call, in case every minute starts with a throttling


class Call(Generic[AnswerT]):
    """One call.

    Args:
        state: the state that the calls of its session share.
        credential: the credential of the account.
        endpoint: the endpoint to call.
        before_send: called before every attempt; an exception that it raises ends the call. With it, as in a
            batch, the wait for a slot is not limited, and waits after a throttling do not count towards the
            call's deadline.

    Attributes:
        report: what the call has done so far.
    """

    __slots__ = (
        *("state", "credential", "endpoint", "before_send", "report"),
        *(
            "_deadline",
            "_image_secrets",
            "_pacer",
            "_quota_taken",
            "_started_at",
            "_throttlings",
            "_tokens",
            "_uncounted",
        ),
    )

    def __init__(
        self,
        state: SessionState,
        credential: Credential,
        endpoint: Endpoint[AnswerT],
        before_send: Callable[[], None] | None = None,
    ) -> None:
        self.state = state
        self.credential = credential
        self.endpoint = endpoint
        self.before_send = before_send
        self.report = CallReport()
        self._image_secrets: tuple[str, ...] = ()
        self._tokens: set[str] = set()  # that were sent, also those that were refused
        self._throttlings = 0
        self._started_at: float | None = None
        self._quota_taken = self._uncounted = 0.0
        self._deadline: Deadline
        self._pacer: Pacer

    def _elapsed(self) -> float:
        """Return the seconds since the call got its slot."""
        return 0.0 if self._started_at is None else self.state.clock.monotonic() - self._started_at

    async def run(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        """Wait for a slot, make the call in it, and complete any error with the call's report."""
        self.state.bind_to_running_loop()
        try:
            async with self.state.slots.acquire(is_limited=self.before_send is None) as self._deadline:
                return await self._run_in_slot(image, fields)
        except WxcvError as error:
            self.report.elapsed = self._elapsed()
            if self.report.complete(error) is error:
                raise
            raise self.report.complete(error) from error

    async def run_to_result(self, image: Image, fields: Mapping[str, str] | None) -> CallResult[AnswerT]:
        """Make the call and return its result: the answer or the error, and the report."""
        answer = failure = None
        try:
            answer = await self.run(image, fields)
        except WxcvError as error:
            failure = error
        self.report.elapsed = self._elapsed()
        return CallResult(answer, failure, self.report)

    async def _run_in_slot(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        state = self.state
        state.calls += 1
        self._started_at = state.clock.monotonic()
        loaded = await state.loader.load(image)
        self.report.image = loaded.name
        self.report.image_size = len(loaded.data) if isinstance(loaded, LocalImage) else 0
        self._image_secrets = loaded.secrets if isinstance(loaded, ImageUrl) else ()
        self._pacer = state.get_pacer(self.endpoint.path)
        if state.answer_sources:
            answer = await self._find_or_send(loaded, fields)
        else:
            answer = await self._send_until_final(build_image_request(self.endpoint, loaded, fields))
        if isinstance(loaded, LocalImage) and loaded.scaled is not None:
            return scale_answer(answer, *loaded.scaled)
        return answer

    async def _find_or_send(self, image: LocalImage | ImageUrl, fields: Mapping[str, str] | None) -> AnswerT:
        """Return the answer of the first source that has one, or WeChat's, which sources may keep."""
        sources, asked = self.state.answer_sources, SourceQuery(self.endpoint, image, fields or {})
        answer, self.report.source = await asked.find(sources)
        if answer is None:
            answer = await self._send_until_final(build_image_request(self.endpoint, image, fields))
            await asked.keep(sources, answer)
        return answer

    async def _send_until_final(self, request: Request) -> AnswerT:
        while True:
            if self._pacer.is_pacing:
                await self._wait_for_pace()
            try:
                answer = await self._send_with_refresh(request)
            except WxcvError as error:
                delay = self._retry_delay(error)
                if delay is None:
                    raise
            else:
                self.state.retry_quota.record_success(self._quota_taken)
                return answer
            await self.state.clock.sleep(delay)

    async def _send_with_refresh(self, request: Request) -> AnswerT:
        """Send, and repeat once with a new token if WeChat refused the first one."""
        send = self._send_once if self.state.limiter is None else self._send_within_limit
        self.report.attempts += 1
        tokens = self.state.tokens
        return await send_with_refresh(tokens, self.credential, self._get_token, partial(send, request))

    async def _send_within_limit(self, request: Request, token: str) -> AnswerT:
        """Send once, if the day's limit allows it."""
        limiter, account = self.state.limiter, self.credential.account
        if limiter is None or account is None or not limiter.is_limited(self.endpoint):
            return await self._send_once(request, token)
        reservation, sends = await limiter.reserve(account, self.endpoint), self.report.sends
        try:
            answer = await self._send_once(request, token)
        except QuotaExhaustedError as error:
            await limiter.record_refusal(reservation, error.errcode)
            raise
        finally:
            if self.report.sends == sends:
                await limiter.give_back(reservation)
        await limiter.record_success(reservation)
        return answer

    async def _get_token(self) -> str:
        tokens, send = self.state.tokens, self.state.transport.send
        self.report.is_waiting_for_token = True
        token = tokens.get_nowait(self.credential, send) or await tokens.get(self.credential, send)
        self.report.is_waiting_for_token = False
        return token

    def _remaining(self) -> float:
        return self.state.call_timeout - (self._elapsed() - self._uncounted)

    def _retry_delay(self, error: WxcvError) -> float | None:
        """Return the seconds until the next attempt, or None if the error is final."""
        report = self.report
        if report.is_waiting_for_token:  # the refresh has already been retried
            return None
        if isinstance(error, RateLimitedError):  # the pacer knows how long to wait
            return 0.0 if self._throttlings <= _MOST_THROTTLINGS else None
        delay = self.state.retry_policy.wait(error, report.attempts, report.unanswered)
        if delay is None or delay >= self._remaining():
            return None
        taken = self.state.retry_quota.take(error)
        self._quota_taken += taken
        return delay if taken else None

    async def _wait_for_pace(self) -> None:
        """Wait until the endpoint's pacer allows a request; raise its error if the deadline comes first."""
        clock, deadline = self.state.clock, self._deadline
        while (wait := self._pacer.reserve(clock.monotonic())) > 0:
            if self.before_send is None and wait + _LEAST_REMAINING >= self._remaining():
                raise RateLimitedError.for_pause(self._pacer.error, wait)
            if self.before_send is not None:
                self.before_send()
                deadline.reschedule(deadline.when() + wait)
                self._uncounted += wait
            await clock.sleep(wait)

    def _count_send(self) -> None:
        state, report = self.state, self.report
        state.sends += 1
        state.sends_by_endpoint[self.endpoint.path] += 1
        state.bytes_sent += report.image_size
        state.retries += report.sends > 0
        report.sends += 1
        report.unanswered += 1  # until a response is received

    async def _send_once(self, request: Request, token: str) -> AnswerT:
        clock, report = self.state.clock, self.report
        if self.before_send is not None:
            self.before_send()
        report.requests += 1
        status = errcode = None
        started_at = clock.monotonic()
        try:
            self._tokens.add(token)
            authorized = add_token(request, self.credential.token_parameter, token)
            response = await self.state.transport.send(authorized, self._count_send)
            report.unanswered -= 1
            status = response.status
            self.credential.check(response)
            answer = await self._decode(response)
            errcode = 0
        except APIError as error:
            errcode = error.errcode
            self._record_refusal(error, started_at)
            raise
        else:
            self._pacer.record_success(clock.wall())
            return answer
        finally:
            if self.state.on_attempt is not None or logger.isEnabledFor(logging.DEBUG):
                self._report_attempt(status, errcode, clock.monotonic() - started_at)

    async def _decode(self, response: Response) -> AnswerT:
        if not response.is_slow_to_decode:
            return read_answer(self.endpoint, response, self._iterate_secrets())
        known, threads = tuple(self._iterate_secrets()), self.state.reader_threads
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, read_answer, self.endpoint, response, known)

    def _iterate_secrets(self) -> Iterator[str]:
        """Yield what no error may show; only an error looks at it."""
        yield from self._tokens
        yield from self._image_secrets
        yield from self.state.tokens.secrets(self.credential)

    def _record_refusal(self, error: APIError, sent_at: float) -> None:
        clock = self.state.clock
        if isinstance(error, RateLimitedError):
            self.report.attempts -= 1
            self._throttlings += 1
            self._pacer.record_throttling(error, sent_at, clock.monotonic(), clock.wall())
            return
        if isinstance(error, QuotaExhaustedError) and error.errcode == DAILY_QUOTA:
            error.resets_at = next_midnight(clock.wall())
        self._pacer.record_success(clock.wall())

    def _report_attempt(self, status: int | None, errcode: int | None, seconds: float) -> None:
        report = self.report
        event = AttemptEvent(self.endpoint.path, report.requests, status, errcode, report.image_size, seconds)
        logger.debug("%s", event)
        if self.state.on_attempt is None:
            return
        try:
            self.state.on_attempt(event)
        except Exception as error:  # noqa: BLE001 - a caller's function may raise anything
            logger.error("on_attempt raised %s; the call continues", CallbackError(error))  # noqa: TRY400 - the text may hold a secret
