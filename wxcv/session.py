"""Session: the public face of the library."""

from __future__ import annotations

import os
from concurrent import futures
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wxcv import arguments, checks
from wxcv.batch import Batch, Weather
from wxcv.calls import Call, Line, SendEvent
from wxcv.clock import SystemClock
from wxcv.endpoints import PRINTED_TEXT, SCAN_QRCODE
from wxcv.errcodes import api_error
from wxcv.errors import SessionClosedError
from wxcv.images import IMAGE_LIMIT
from wxcv.retries import RetryPolicy, RetryQuota
from wxcv.slots import Slots
from wxcv.tokens import TokenCache
from wxcv.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
    from types import TracebackType

    import aiohttp

    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.endpoints import Endpoint
    from wxcv.images import Image
    from wxcv.models import AccessToken, PrintedText, QrcodeScan
    from wxcv.stores import Store

AnswerT = TypeVar("AnswerT")

_READERS = 2  # threads; a disk gives no more to more of them, and each keeps memory of its own


class Session:
    """Calls WeChat's image endpoints for one account.

    Use it as ``async with Session(...) as session`` or end it with ``aclose()``; it belongs to the event
    loop in which it is first used.

    Args:
        credential: whose tokens are used.
        concurrency: how many calls run at a time; more wait in the order in which they came.
        attempt_timeout: seconds for one upload and its answer.
        call_timeout: seconds for a whole call, from when it has its slot. ``asyncio.timeout`` around a
            call bounds the wait for a slot too.
        retries: a RetryPolicy; without it, RetryPolicy().
        base_url: scheme, host and port of the API; without it, the credential's own.
        allow_http: permit plain http to a host other than this one.
        http: a borrowed aiohttp.ClientSession; it is never closed here, and its own raise_for_status,
            redirects, middlewares, decompression and timeouts do not apply.
        proxy: the URL of an HTTP proxy; WeChat accepts listed addresses only, so egress proxies are usual.
        trust_env: take the proxy from the environment; not with ``http``, which has its own.
        tokens: a TokenCache that several sessions share; without it the session has its own.
        store: a Store for the session's own TokenCache, to share tokens with other processes.
        image_limit: bytes; an image must be smaller.
        on_send: called with a SendEvent after every attempt; what it raises is logged and dropped.
        clock: where the time of tokens and of waits comes from; attempt_timeout and call_timeout run on the
            event loop's own.

    Raises:
        ValueError, TypeError: an argument is out of range; it is named, a secret value is not shown.
    """

    def __init__(  # noqa: PLR0913 - the settings of a session
        self,
        credential: Credential,
        *,
        concurrency: int = 8,
        attempt_timeout: float = 30.0,
        call_timeout: float = 60.0,
        retries: RetryPolicy | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        tokens: TokenCache | None = None,
        store: Store | None = None,
        image_limit: int = IMAGE_LIMIT,
        on_send: Callable[[SendEvent], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        arguments.check_credential(credential)
        arguments.check_objects(on_send=on_send, retries=retries, tokens=tokens, clock=clock)
        arguments.check_together(tokens=tokens, store=store, http=http, trust_env=trust_env)
        own_clock = clock or SystemClock()
        self._is_owner = True
        self._line = Line(
            credential=credential,
            transport=Transport(
                checks.base_url(
                    base_url or credential.base_url, allow_http=allow_http or credential.may_use_http
                ),
                connections=checks.whole("concurrency", concurrency) + 1,  # a token refresh takes no slot
                attempt_timeout=checks.seconds("attempt_timeout", attempt_timeout),
                http=http,
                proxy=checks.proxy(proxy),
                trust_env=trust_env,
            ),
            tokens=tokens if tokens is not None else TokenCache(store, clock=own_clock),
            concurrency=concurrency,
            slots=Slots(concurrency, checks.seconds("call_timeout", call_timeout)),
            clock=own_clock,
            retries=retries if retries is not None else RetryPolicy(),
            call_timeout=call_timeout,
            image_limit=checks.whole("image_limit", image_limit),
            readers=futures.ThreadPoolExecutor(_READERS, "wxcv reader"),
            on_send=on_send,
            quota=RetryQuota(),
            paces={},
            batches=set(),
        )

    @classmethod
    def from_env(cls, **options: Any) -> Self:  # noqa: ANN401 - the keywords of Session
        """Make a session from WXCV_APPID and WXCV_SECRET, or WXCV_ACCESS_TOKEN; WXCV_BASE_URL is optional.

        Args:
            options: as for Session; ``base_url`` goes before WXCV_BASE_URL.

        Raises:
            ValueError: a variable is missing, wrong, or at odds with another; it is named, its value is not
                shown.
        """
        base_url = os.environ.get("WXCV_BASE_URL")
        if base_url and "base_url" not in options:
            allow_http = bool(options.get("allow_http"))
            options["base_url"] = checks.base_url(base_url, allow_http=allow_http, name="WXCV_BASE_URL")
        return cls(arguments.credential_from_env(), **options)

    # The next three hand a coroutine on instead of awaiting it: thousands may wait for a slot, and every
    # frame of theirs costs memory and time.

    def scan_qrcode(self, image: Image) -> Coroutine[Any, Any, QrcodeScan]:
        """Await it to read QR codes, barcodes, DataMatrix and PDF417; see ``call``."""
        return self.call(SCAN_QRCODE, image)

    def printed_text(self, image: Image) -> Coroutine[Any, Any, PrintedText]:
        """Await it to read printed text; see ``call``."""
        return self.call(PRINTED_TEXT, image)

    def call(
        self, endpoint: Endpoint[AnswerT], image: Image, *, fields: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, AnswerT]:
        """Send one image to an endpoint; await it for the endpoint's answer.

        Args:
            endpoint: such as ``wxcv.SCAN_QRCODE``.
            image: bytes-like, a path, an ``http(s)://`` URL for WeChat to fetch, a binary file object
                (read from where it stands), ImageUrl or ImageBytes.
            fields: extra fields that the endpoint's page knows.

        Raises:
            ImageError: refused here; nothing was sent.
            TransportError, ProtocolError: no usable answer; by ``sends``, WeChat may have counted it.
            APIError: WeChat refused.
            SessionClosedError: the session is closed.
            ValueError: ``fields`` are not the endpoint's.
        """
        arguments.check_endpoint(endpoint, fields)
        return Call(self._line, endpoint).run(image, fields)

    def batch(  # noqa: PLR0913 - the settings of one batch
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = False,
        key: Callable[[Any], Image] | None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> Batch[AnswerT]:
        """Send any number of images; see Batch for what is promised.

        Args:
            endpoint: such as ``wxcv.SCAN_QRCODE``.
            images: any iterable or async iterable, of any length, also endless; taken from lazily.
            ordered: give the outcomes in the order of the images, not as they come.
            key: gives the image of an item, so that ``outcome.item`` can be a queue's message.
            fields: extra fields that the endpoint's page knows.
            window: how many outcomes may wait for their turn if ordered; ``16 * concurrency`` without it.

        Raises:
            TypeError, ValueError: an argument cannot be used; it is named.
        """
        line = self._line
        arguments.check_endpoint(endpoint, fields)
        arguments.check_batch(images, key)
        widest = 16 * line.concurrency if window is None else checks.whole("window", window)
        weather = Weather(line.clock, line.call_timeout, lambda: line.tokens.next_ask(line.credential))
        batch: Batch[AnswerT] = Batch(
            lambda image, gate: Call(line, endpoint, gate).tried(image, fields),
            images,
            weather=weather,
            clock=line.clock,
            concurrency=line.concurrency,
            window=widest if ordered else 2 * line.concurrency,
            ordered=ordered,
            key=key,
            forget=line.batches.discard,
        )
        line.batches.add(batch)
        return batch

    def on_behalf_of(self, credential: Credential) -> Self:
        """Return a session for another account that shares http, slots, settings and tokens with this one.

        It is cheap: make one for every merchant. It ends with this session; its own ``aclose`` does nothing.

        Args:
            credential: such as an AuthorizerCredential.
        """
        arguments.check_credential(credential)
        other = object.__new__(type(self))
        other._line = self._line._replace(credential=credential)
        other._is_owner = False
        return other

    def token(self) -> Coroutine[Any, Any, AccessToken]:
        """Await it for the living access_token with its kind and the seconds it has left; its repr hides it.

        Raises:
            SessionClosedError: the session is closed.
            WxcvError: none lives and none could be had.
        """
        self._line.transport.require_open()
        return self._line.tokens.described(self._line.credential, self._line.transport.send)

    def invalidate_token(self) -> None:
        """Drop the living access_token, such as one that leaked; the next call asks for another.

        A stable token that is handed out again is then replaced by a forced refresh, as far as these are
        allowed (at most one in 30 s and 10 a day); until one is, calls fail with TokenRejectedError rather
        than use the dropped token. WeChat keeps the old one alive for up to 5 minutes.
        """
        credential, tokens = self._line.credential, self._line.tokens
        token = tokens.peek(credential)
        if token is not None:
            error = api_error(40001, "the token was dropped by hand")
            tokens.invalidate(credential, token, error, by_hand=True)

    async def aclose(self, grace: float = 10.0) -> None:
        """Close: waiting calls end with SessionClosedError at once, running ones after ``grace`` seconds.

        Ends a token refresh in flight and closes an own HTTP session; a new refresh token that is being
        handed on has 5 s for it. May be called again.
        """
        if not self._is_owner:
            return
        async with AsyncExitStack() as rest:  # done also when the wait for calls in flight is cancelled
            rest.push_async_callback(self._line.transport.aclose)
            rest.callback(self._line.readers.shutdown, wait=False)
            rest.push_async_callback(self._line.tokens.release, self._line.transport.send)
            batches = list(self._line.batches)
            for batch in batches:
                batch.pull_no_more()
                rest.push_async_callback(batch.end, SessionClosedError("the session was closed"))
            rest.callback(self._line.transport.refuse)  # so that nobody begins a refresh after that
            await self._line.slots.aclose(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._line.credential!r}>"
