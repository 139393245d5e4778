"""One call, from its slot to its answer: read, token, send, decode, and once more after a refused token."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from wxcv.errors import APIError, TokenRejectedError, WxcvError
from wxcv.images import Image, ImageUrl, LocalImage, is_slow, load
from wxcv.wire import Request, image_request, read_answer, with_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.endpoints import Endpoint
    from wxcv.slots import Slots
    from wxcv.tokens import TokenCache
    from wxcv.transport import Transport

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")


@attrs.frozen
class SendEvent:
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


@attrs.frozen
class Line:
    """What the calls of one account share."""

    credential: Credential
    transport: Transport
    tokens: TokenCache
    slots: Slots
    clock: Clock
    call_timeout: float
    image_limit: int
    on_send: Callable[[SendEvent], object] | None

    async def token(self) -> str:
        """Return a living token, at once if there is one."""
        send = self.transport.send
        return self.tokens.current(self.credential, send) or await self.tokens.get(self.credential, send)

    async def load(self, image: Image) -> LocalImage | ImageUrl:
        """Read and check an image, off the event loop where it may block."""
        if is_slow(image):
            return await asyncio.to_thread(load, image, self.image_limit)
        return load(image, self.image_limit)


class Call(Generic[AnswerT]):
    """One call: how often it has sent so far, and since when."""

    def __init__(self, line: Line, endpoint: Endpoint[AnswerT]) -> None:
        self._line = line
        self._endpoint = endpoint
        self._started: float | None = None
        self._attempt = 0
        self._bytes = 0
        self._sends = 0

    async def run(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        """Wait for a slot and do the call in it; an error says how often it was sent and how long it took."""
        try:
            return await self._line.slots.run(lambda: self._in_slot(image, fields), self._line.call_timeout)
        except WxcvError as error:
            error.sends = self._sends
            if self._started is not None:
                error.elapsed = self._line.clock.monotonic() - self._started
            raise

    async def _in_slot(self, image: Image, fields: Mapping[str, str] | None) -> AnswerT:
        line = self._line
        self._started = line.clock.monotonic()
        loaded = await line.load(image)
        self._bytes = len(loaded.data) if isinstance(loaded, LocalImage) else 0
        request = image_request(self._endpoint, loaded, fields)
        known = line.credential.secrets + (loaded.secrets if isinstance(loaded, ImageUrl) else ())
        token = await line.token()
        try:
            return await self._try(request, token, known)
        except TokenRejectedError as error:
            line.tokens.invalidate(line.credential, token, error)
            if not error.renewable:
                raise
        return await self._try(request, await line.token(), known)

    def _departed(self) -> None:
        self._sends += 1

    async def _try(self, request: Request, token: str, known: tuple[str, ...]) -> AnswerT:
        clock = self._line.clock
        self._attempt += 1
        status = errcode = None
        started = clock.monotonic()
        try:
            tokened = with_token(request, self._line.credential.query_name, token)
            response = await self._line.transport.send(tokened, self._departed)
            status = response.status
            self._line.credential.check(response)
            answer = read_answer(self._endpoint, response, (token, *known))
            errcode = 0
        except APIError as error:
            errcode = error.errcode
            raise
        else:
            return answer
        finally:
            seconds = clock.monotonic() - started
            self._report(SendEvent(self._endpoint.path, self._attempt, status, errcode, self._bytes, seconds))

    def _report(self, event: SendEvent) -> None:
        logger.debug("%s", event)
        if self._line.on_send is None:
            return
        try:
            self._line.on_send(event)
        except Exception:
            logger.exception("on_send raised; the call goes on")
