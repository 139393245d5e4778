"""Session: the public face of the library."""

from __future__ import annotations

import inspect
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs

from wxcv import checks
from wxcv.calls import Call, Line, SendEvent
from wxcv.clock import SystemClock
from wxcv.credentials import AppCredential, Credential, FixedToken
from wxcv.endpoints import PRINTED_TEXT, SCAN_QRCODE, Endpoint
from wxcv.errcodes import api_error
from wxcv.images import IMAGE_LIMIT, Image
from wxcv.slots import Slots
from wxcv.tokens import TokenCache
from wxcv.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import aiohttp

    from wxcv.clock import Clock
    from wxcv.models import AccessToken, PrintedText, QrcodeScan
    from wxcv.stores import Store

AnswerT = TypeVar("AnswerT")


def _credential_from_env() -> Credential:
    appid, secret, token = (os.environ.get(f"WXCV_{name}") for name in ("APPID", "SECRET", "ACCESS_TOKEN"))
    if token and (appid or secret):
        raise ValueError("set either WXCV_ACCESS_TOKEN, or WXCV_APPID and WXCV_SECRET, not both")
    if token:
        return FixedToken(checks.plain("WXCV_ACCESS_TOKEN", token))
    if appid and secret:
        return AppCredential(checks.plain("WXCV_APPID", appid), checks.plain("WXCV_SECRET", secret))
    missing = " and ".join(
        f"WXCV_{name}" for name, value in (("APPID", appid), ("SECRET", secret)) if not value
    )
    raise ValueError(f"set the environment variables {missing} (or WXCV_ACCESS_TOKEN)")


def _require_credential(credential: object) -> None:
    if not isinstance(credential, Credential):
        raise TypeError(f"credential must be one of wxcv's, not {type(credential).__name__}")


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
        _require_credential(credential)
        if on_send is not None and (not callable(on_send) or inspect.iscoroutinefunction(on_send)):
            raise TypeError("on_send must be a function that is not async")
        if tokens is not None and not isinstance(tokens, TokenCache):
            raise TypeError(f"tokens must be a TokenCache, not {type(tokens).__name__}")
        if clock is not None and not hasattr(clock, "monotonic"):
            raise TypeError(f"clock must be a Clock, not {type(clock).__name__}")
        if tokens is not None and store is not None:
            raise ValueError("store belongs to the TokenCache that you share as tokens; give it there")
        if http is not None and trust_env:
            raise ValueError("trust_env belongs to the ClientSession that you lend as http; set it there")
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
            slots=Slots(concurrency),
            clock=own_clock,
            call_timeout=checks.seconds("call_timeout", call_timeout),
            image_limit=checks.whole("image_limit", image_limit),
            on_send=on_send,
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
        return cls(_credential_from_env(), **options)

    async def scan_qrcode(self, image: Image) -> QrcodeScan:
        """Read QR codes, barcodes, DataMatrix and PDF417; see ``call``."""
        return await self.call(SCAN_QRCODE, image)

    async def printed_text(self, image: Image) -> PrintedText:
        """Read printed text; see ``call``."""
        return await self.call(PRINTED_TEXT, image)

    async def call(
        self, endpoint: Endpoint[AnswerT], image: Image, *, fields: Mapping[str, str] | None = None
    ) -> AnswerT:
        """Send one image to an endpoint.

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
        if not isinstance(endpoint, Endpoint):
            raise TypeError(f"endpoint must be an Endpoint such as wxcv.SCAN_QRCODE, not {endpoint!r}")
        return await Call(self._line, endpoint).run(image, fields)

    def on_behalf_of(self, credential: Credential) -> Self:
        """Return a session for another account that shares http, slots, settings and tokens with this one.

        It is cheap: make one for every merchant. It ends with this session; its own ``aclose`` does nothing.

        Args:
            credential: such as an AuthorizerCredential.
        """
        _require_credential(credential)
        other = object.__new__(type(self))
        other._line = attrs.evolve(self._line, credential=credential)
        other._is_owner = False
        return other

    async def token(self) -> AccessToken:
        """Return the living access_token with its kind and the seconds it has left; its repr hides the value.

        Raises:
            WxcvError: none lives and none could be had.
        """
        await self._line.token()
        token = self._line.tokens.describe(self._line.credential)
        return token or await self.token()

    def invalidate_token(self) -> None:
        """Drop the living access_token, such as one that leaked; the next call asks for another.

        A stable token that is handed out again is then replaced by a forced refresh, as far as these are
        allowed (at most one in 30 s and 10 a day). WeChat keeps the old one alive for up to 5 minutes.
        """
        credential, tokens = self._line.credential, self._line.tokens
        token = tokens.describe(credential)
        if token is not None:
            tokens.invalidate(credential, token.value, api_error(40001, "the token was dropped by hand"))

    async def aclose(self, grace: float = 10.0) -> None:
        """Close: waiting calls end with SessionClosedError at once, running ones after ``grace`` seconds.

        Ends a token refresh in flight and closes an own HTTP session. May be called again.
        """
        if not self._is_owner:
            return
        async with AsyncExitStack() as rest:  # done also when the wait for calls in flight is cancelled
            rest.push_async_callback(self._line.transport.aclose)
            rest.push_async_callback(self._line.tokens.release, self._line.transport.send)
            await self._line.slots.aclose(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._line.credential!r}>"
