"""Attempts: gets a token, sends an image, decodes the answer, and retries until the result is final."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from wxcv.callbacks import notify
from wxcv.calls.events import AttemptEvent
from wxcv.calls.limits import DAILY_QUOTA
from wxcv.calls.reports import CallReport
from wxcv.calls.token_retry import send_with_refresh
from wxcv.clock import next_midnight
from wxcv.errors import APIError, QuotaExhaustedError, RateLimitedError, WxcvError
from wxcv.images.sources import ImageUrl
from wxcv.masking import class_name
from wxcv.protocol.answers import Response, read_answer
from wxcv.protocol.requests import Request, add_token, build_image_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from wxcv.calls.deadlines import Deadline
    from wxcv.calls.pacing import Pacer
    from wxcv.calls.state import SessionState
    from wxcv.endpoints.base import Endpoint
    from wxcv.images.sources import LocalImage
    from wxcv.tokens.credential import Credential

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")

_LEAST_REMAINING = 1.0  # seconds that must remain for an attempt after a wait
_MOST_THROTTLINGS = 10  # of one call, in case every minute starts with a throttling


class Attempts(Generic[AnswerT]):
    """The attempts of one call, in its slot.

    Args:
        state: the state that the calls of a session share.
        credential: the credential of the account.
        endpoint: the endpoint to call.
        before_send: called before every attempt and before every wait for the pace; an exception that it
            raises ends the call. With it, as in a batch, waits after a throttling do not count towards the
            call's deadline.
        begin_send: awaited before every request with the image, when its token is known; or None.
        report: the report of the call, nothing of which has been done; or None for a new one.

    Attributes:
        report: what has been done so far.
    """

    __slots__ = (
        *("state", "credential", "endpoint", "before_send", "report"),
        *(
            "_begin_send",
            "_deadline",
            "_image_secrets",
            "_pacer",
            "_quota_taken",
            "_throttlings",
            "_tokens",
            "_uncounted",
        ),
    )

    def __init__(  # noqa: PLR0913, PLR0917 - made for every image
        self,
        state: SessionState,
        credential: Credential,
        endpoint: Endpoint[AnswerT],
        before_send: Callable[[], None] | None,
        begin_send: Callable[[], Awaitable[None]] | None = None,
        report: CallReport | None = None,
    ) -> None:
        self.state = state
        self.credential = credential
        self.endpoint = endpoint
        self.before_send = before_send
        self._begin_send = begin_send
        self.report = CallReport() if report is None else report
        self._image_secrets: tuple[str, ...] = ()
        self._tokens: tuple[str, ...] = ()  # that were sent, also those that were refused
        self._throttlings = 0
        self._quota_taken = self._uncounted = 0.0
        self._deadline: Deadline
        self._pacer: Pacer

    async def send(
        self, image: LocalImage | ImageUrl, fields: Mapping[str, str] | None, deadline: Deadline
    ) -> AnswerT:
        """Send the image until the result is final, and return the answer.

        Raises:
            WxcvError: the last attempt failed; it has not been completed by the report.
        """
        state, self._deadline = self.state, deadline
        if isinstance(image, ImageUrl):
            self._image_secrets = image.secrets
        else:
            self.report.image_size = len(image.data)
        self._pacer = state.get_pacer(self.endpoint.path)
        send_once = self._send_once if state.limiter is None else self._send_within_limit
        send = partial(send_once, build_image_request(self.endpoint, image, fields))
        while True:
            if self._pacer.is_pacing:
                await self._wait_for_pace()
            self.report.attempts += 1
            try:
                answer = await send_with_refresh(state.tokens, self.credential, self._get_token, send)
            except WxcvError as error:
                delay = self._retry_delay(error)
                if delay is None:
                    raise
            else:
                state.retry_quota.record_success(self._quota_taken)
                return answer
            await state.clock.sleep(delay)

    async def _send_within_limit(self, request: Request, token: str) -> AnswerT:
        """Send once, if the day's limit allows it."""
        limiter, account = self.state.limiter, self.credential.account
        if limiter is None or account is None or not limiter.is_limited(self.endpoint):
            return await self._send_once(request, token)
        reservation, sends = await limiter.reserve(account, self.endpoint), self.report.sends
        try:
            answer = await self._send_once(request, token)
        except BaseException as error:
            if self.report.sends == sends:
                await limiter.give_back(reservation)
            else:
                await limiter.record_failure(reservation, error)
            raise
        await limiter.record_success(reservation)
        return answer

    async def _get_token(self) -> str:
        """Return a token for a send that may take place."""
        tokens, send = self.state.tokens, self.state.transport.send
        if self.report.is_abandoned:
            raise asyncio.CancelledError
        if self.before_send is not None:
            self.before_send()
        self.report.is_waiting_for_token = True
        token = tokens.get_nowait(self.credential, send) or await tokens.get(self.credential, send)
        self.report.is_waiting_for_token = False
        if self.before_send is not None:  # not later: what is taken from a limit is sent
            self.before_send()
        return token

    def _remaining(self) -> float:
        return self.state.call_timeout - (
            self.report.elapsed_at(self.state.clock.monotonic()) - self._uncounted
        )

    def _retry_delay(self, error: WxcvError) -> float | None:
        """Return the seconds until the next attempt, or None if the error is final."""
        report = self.report
        if report.is_abandoned or report.is_waiting_for_token:  # the refresh has already been retried
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
        if report.is_abandoned:  # its task is cancelled, but this runs in one of aiohttp's
            raise asyncio.CancelledError
        state.sends += 1
        state.sends_by_endpoint[self.endpoint.path] += 1
        state.bytes_sent += report.image_size
        state.retries += report.sends > 0
        report.sends += 1
        report.unanswered += 1  # until a response is received
        report.is_sending = True  # until it fails

    async def _send_once(self, request: Request, token: str) -> AnswerT:
        clock, report = self.state.clock, self.report
        if self._begin_send is not None:
            await self._begin_send()
        report.requests += 1
        response = errcode = failure = None
        started_at = clock.monotonic()
        try:
            if token not in self._tokens:
                self._tokens += (token,)
            authorized = add_token(request, self.credential.token_parameter, token)
            response = await self.state.transport.send(authorized, self._count_send)
            report.unanswered -= 1
            self.credential.check(response)
            if response.is_slow_to_decode:
                answer = await self._decode_in_thread(response)
            else:
                answer = read_answer(self.endpoint, response, self._iterate_secrets())
            errcode = 0
        except BaseException as error:
            failure = class_name(error)
            if isinstance(error, APIError):
                errcode = error.errcode
                self._record_refusal(error, started_at)
            raise
        else:
            self._pacer.record_success(clock.wall())
            return answer
        finally:
            report.is_sending = errcode == 0
            if self.state.on_attempt is not None or logger.isEnabledFor(logging.DEBUG):
                self._report_attempt(response, errcode, failure, clock.monotonic() - started_at)

    async def _decode_in_thread(self, response: Response) -> AnswerT:
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

    def _report_attempt(
        self, response: Response | None, errcode: int | None, failure: str | None, seconds: float
    ) -> None:
        report = self.report
        status, base_url = (None, "") if response is None else (response.status, response.base_url)
        event = AttemptEvent(
            self.endpoint.path,
            report.requests,
            status,
            errcode,
            report.image_size,
            seconds,
            base_url or self.state.transport.base_url,
            failure,
        )
        logger.debug("%s", event)
        if self.state.on_attempt is not None:
            notify("on_attempt", self.state.on_attempt, event)
