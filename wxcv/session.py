"""Session: the public face of the library."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wxcv import checks
from wxcv.calls import Call, Line, SendEvent
from wxcv.clock import SystemClock
from wxcv.credentials import AppCredential
from wxcv.endpoints import PRINTED_TEXT, SCAN_QRCODE, Endpoint
from wxcv.images import IMAGE_LIMIT, Image
from wxcv.slots import Slots
from wxcv.tokens import TokenCache
from wxcv.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import aiohttp

    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.models import PrintedText, QrcodeScan

AnswerT = TypeVar("AnswerT")

BASE_URL = "https://api.weixin.qq.com"


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
        base_url: scheme, host and port of the API.
        allow_http: permit plain http to a host other than this one.
        http: a borrowed aiohttp.ClientSession; it is never closed here, and its own raise_for_status,
            redirects, middlewares, decompression and timeouts do not apply.
        proxy: the URL of an HTTP proxy; WeChat accepts listed addresses only, so egress proxies are usual.
        trust_env: take the proxy from the environment; not with ``http``, which has its own.
        tokens: a TokenCache that several sessions share; without it the session has its own.
        image_limit: bytes; an image must be smaller.
        on_send: called with a SendEvent after every attempt; what it raises is logged and dropped.
        clock: where time comes from.

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
        base_url: str = BASE_URL,
        allow_http: bool = False,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        tokens: TokenCache | None = None,
        image_limit: int = IMAGE_LIMIT,
        on_send: Callable[[SendEvent], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not hasattr(credential, "renew"):
            raise TypeError(f"credential must be one of wxcv's, not {type(credential).__name__}")
        if http is not None and trust_env:
            raise ValueError("trust_env belongs to the ClientSession that you lend as http; set it there")
        own_clock = clock or SystemClock()
        self._line = Line(
            credential=credential,
            transport=Transport(
                checks.base_url(base_url, allow_http=allow_http),
                connections=checks.whole("concurrency", concurrency) + 1,  # a token refresh takes no slot
                attempt_timeout=checks.seconds("attempt_timeout", attempt_timeout),
                http=http,
                proxy=checks.proxy(proxy),
                trust_env=trust_env,
            ),
            tokens=tokens or TokenCache(clock=own_clock),
            slots=Slots(concurrency),
            clock=own_clock,
            call_timeout=checks.seconds("call_timeout", call_timeout),
            image_limit=checks.whole("image_limit", image_limit),
            on_send=on_send,
        )

    @classmethod
    def from_env(cls, **options: Any) -> Self:  # noqa: ANN401 - the keywords of Session
        """Make a session from WXCV_APPID, WXCV_SECRET and, if set, WXCV_BASE_URL.

        Args:
            options: as for Session; ``base_url`` goes before WXCV_BASE_URL.

        Raises:
            ValueError: a variable is missing or wrong; it is named, its value is not shown.
        """
        missing = [name for name in ("WXCV_APPID", "WXCV_SECRET") if not os.environ.get(name)]
        if missing:
            raise ValueError(f"set the environment variables {' and '.join(missing)}")
        base_url = os.environ.get("WXCV_BASE_URL")
        if base_url:
            options.setdefault("base_url", base_url)
        return cls(AppCredential(os.environ["WXCV_APPID"], os.environ["WXCV_SECRET"]), **options)

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
        return await Call(self._line, endpoint).run(image, fields)

    async def aclose(self, grace: float = 10.0) -> None:
        """Close: waiting calls end with SessionClosedError at once, running ones after ``grace`` seconds.

        Ends a token refresh in flight and closes an own HTTP session. May be called again.
        """
        await self._line.slots.aclose(grace)
        await self._line.tokens.release(self._line.transport.send)
        await self._line.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._line.credential!r}>"
