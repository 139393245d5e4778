"""One call, from its slot to its answer: read, keep the pace, token, send, decode, perhaps again."""

from __future__ import annotations

import asyncio
import copy
import logging
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import attrs

from wxcv.errors import APIError, ConnectError, RateLimitedError, TokenRejectedError, WxcvError
from wxcv.images import Image, ImageUrl, LocalImage, is_slow, load
from wxcv.outcomes import Tried
from wxcv.retries import Pace, RetryPolicy, RetryQuota
from wxcv.values import Value
from wxcv.wire import Request, image_request, read_answer, with_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from wxcv.batch import Batch
    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.deadlines import Deadline
    from wxcv.endpoints import Endpoint
    from wxcv.slots import Slots
    from wxcv.tokens import TokenCache
    from wxcv.transport import Transport

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")

_LEAST_LEFT = 1.0  # seconds of a deadline for which it is worth waiting
_MOST_THROTTLINGS = 10  # of one call, should every minute begin with a refusal


@attrs.frozen(repr=False)
class SendEvent(Value):
    """One attempt of a call, as told to ``on_send``; it holds nothing secret.

    Attributes:
        path: the endpoint's path.
        attempt: 1 for the first attempt of the call.
        status: the HTTP status, or None if no answer came.
        errcode: WeChat's code, 0 for success, or None if no answer could be read.
        bytes: of the image that was to be uploaded; 0 for an ``img_url``.
        seconds: from the request to its answer or failure.
    """

    path: str
    attempt: int
    status: int | None
    errcode: int | None
    bytes: int
    seconds: float


class Line(NamedTuple):
    """What the calls of one account share."""

    credential: Credential
    transport: Transport
    tokens: TokenCache
    concurrency: int
    slots: Slots
    clock: Clock
    retries: RetryPolicy
    call_timeout: float
    image_limit: int
    readers: Executor
    on_send: Callable[[SendEvent], object] | None
    quota: RetryQuota
    paces: dict[str, Pace]
    batches: set[Batch[Any]]

    def pace(self, path: str) -> Pace:
        """Return the pace of an endpoint, for all accounts of the session."""
        pace = self.paces.get(path)
        if pace is None:
            pace = self.paces[path] = Pace()
        return pace


class Call(Generic[AnswerT]):
    """One call: what it has sent so far, and how that went.

    Args:
        line: the account's.
        endpoint: where it goes.
        gate: asked before every send; what it raises ends the call. With a gate, as in a batch, the waits
            after a throttling do not count in the call's deadline.

    Attributes:
        sends: how often it went out.
        lost: how many of these had no answer.
        unreached: how many attempts could not connect.
        wants_token: whether it waits for a token, or ended so.
    """

    __slots__ = (
        *("line", "endpoint", "gate", "sends", "lost", "unreached", "wants_token"),
        *("_attempts", "_bytes", "_deadline", "_number", "_pace", "_started", "_taken", "_throttled"),
        "_uncounted",
    )

    def __init__(
        self, line: Line, endpoint: Endpoint[AnswerT], gate: Callable[[], None] | None = None
    ) -> None:
        self.line = line
        self.endpoint = endpoint
        self.gate = gate
        self.sends = self.lost = self.unreached = 0
        self.wants_token = False
        self._attempts = self._throttled = self._number = self._bytes = 0
        self._started: float | None = None
        self._taken = self._uncounted = 0.0
        self._deadline: Deadline
        self._pace: Pace

    @property
    def elapsed(self) -> float:
        """Seconds since the slot was had."""
        return 0.0 if self._started is None else self.line.clock.monotonic() - self._started

    async def run(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        """Wait for a slot and do the call in it; an error says how often it was sent and how long it took."""
        slots = self.line.slots
        turn = slots.turn()
        try:
            slots.require(had=await turn)
            with slots.deadline() as self._deadline:
                return await self._in_slot(image, fields)
            raise slots.overdue()
        except WxcvError as error:
            error.sends, error.elapsed = self.sends, self.elapsed
            raise
        finally:
            slots.leave(turn)

    async def tried(self, image: Image, fields: Mapping[str, str] | None) -> Tried[AnswerT]:
        """Run, and tell what came of it instead of raising."""
        answer = error = None
        try:
            answer = await self.run(image, fields)
        except WxcvError as failure:
            error = failure
        return Tried(answer, error, self.sends, self.lost, self.unreached, self.wants_token, self.elapsed)

    async def _in_slot(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        self._started = self.line.clock.monotonic()
        loaded = await self._read(image) if is_slow(image) else load(image, self.line.image_limit)
        self._bytes = len(loaded.data) if isinstance(loaded, LocalImage) else 0
        request = image_request(self.endpoint, loaded, fields)
        known = self.line.credential.secrets + (loaded.secrets if isinstance(loaded, ImageUrl) else ())
        self._pace = self.line.pace(self.endpoint.path)
        while True:
            if self._pace.is_paced:
                await self._keep_pace(self._pace)
            try:
                answer = await self._tried(request, known)
            except WxcvError as error:
                wait = self._wait_after(error)
                if wait is None:
                    raise
            else:
                self.line.quota.succeeded(self._taken)
                return answer
            await self.line.clock.sleep(wait)

    async def _read(self, image: Image) -> LocalImage | ImageUrl:
        limit = self.line.image_limit
        if isinstance(image, (str, PurePath)):
            return await asyncio.get_running_loop().run_in_executor(self.line.readers, load, image, limit)
        return await asyncio.to_thread(load, image, limit)  # an object of the caller's may wait for anything

    async def _tried(self, request: Request, known: tuple[str, ...]) -> AnswerT:
        """Send, and once more with a new token if WeChat refused the first."""
        token = await self._token()
        self._attempts += 1
        try:
            return await self._sent(request, token, known)
        except TokenRejectedError as error:
            self.line.tokens.invalidate(self.line.credential, token, error)
            if not error.renewable:
                raise
        token = await self._token()
        try:
            return await self._sent(request, token, known)
        except TokenRejectedError as error:
            self.line.tokens.invalidate(self.line.credential, token, error)
            raise

    async def _token(self) -> str:
        tokens, credential, send = self.line.tokens, self.line.credential, self.line.transport.send
        self.wants_token = True
        token = tokens.current(credential, send) or await tokens.get(credential, send)
        self.wants_token = False
        return token

    def _remaining(self) -> float:
        return self.line.call_timeout - (self.elapsed - self._uncounted)

    def _wait_after(self, error: WxcvError) -> float | None:
        """Return the seconds until the next attempt, or None if the error is final."""
        self.unreached += isinstance(error, ConnectError)
        if self.wants_token:  # the TokenCache has tried for itself
            return None
        if isinstance(error, RateLimitedError):  # the pace says how long
            return 0.0 if self._throttled <= _MOST_THROTTLINGS else None
        wait = self.line.retries.wait(error, self._attempts, self.lost)
        if wait is None or wait >= self._remaining():
            return None
        taken = self.line.quota.take(error)
        self._taken += taken
        return wait if taken else None

    async def _keep_pace(self, pace: Pace) -> None:
        """Wait until the endpoint's pace lets a request out, if the deadline allows it."""
        clock = self.line.clock
        while (wait := pace.wait(clock.monotonic())) > 0:
            if self.gate is None and wait + _LEAST_LEFT >= self._remaining():
                raise copy.copy(pace.refusal)
            if self.gate is not None:
                self.gate()
                self._deadline.when += wait
                self._uncounted += wait
            await clock.sleep(wait)

    def _departed(self) -> None:
        self.sends += 1
        self.lost += 1  # until an answer comes

    async def _sent(self, request: Request, token: str, known: tuple[str, ...]) -> AnswerT:
        line, clock = self.line, self.line.clock
        if self.gate is not None:
            self.gate()
        self._number += 1
        status = errcode = None
        started = clock.monotonic()
        try:
            tokened = with_token(request, line.credential.query_name, token)
            response = await line.transport.send(tokened, self._departed)
            self.lost -= 1
            status = response.status
            line.credential.check(response)
            answer = read_answer(self.endpoint, response, (token, *known))
            errcode = 0
        except APIError as error:
            errcode = error.errcode
            self._note_refusal(error, started)
            raise
        else:
            self._pace.got_through(clock.wall())
            return answer
        finally:
            if line.on_send is not None or logger.isEnabledFor(logging.DEBUG):
                seconds = clock.monotonic() - started
                self._report(
                    SendEvent(self.endpoint.path, self._number, status, errcode, self._bytes, seconds)
                )

    def _note_refusal(self, error: APIError, sent_at: float) -> None:
        pace, clock = self._pace, self.line.clock
        if isinstance(error, RateLimitedError):
            self._attempts -= 1
            self._throttled += 1
            pace.refused(error, sent_at, clock.monotonic(), clock.wall())
        else:
            pace.got_through(clock.wall())

    def _report(self, event: SendEvent) -> None:
        logger.debug("%s", event)
        if self.line.on_send is None:
            return
        try:
            self.line.on_send(event)
        except Exception:
            logger.exception("on_send raised; the call goes on")
