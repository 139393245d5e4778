"""The only place that talks through aiohttp: a request value in, a response value or our error out."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from wxcv.deadlines import Deadline, Deadlines
from wxcv.errors import (
    AnswerLostError,
    CallTimeoutError,
    ConnectError,
    ProtocolError,
    SessionClosedError,
    WxcvError,
)
from wxcv.wire import ANSWER_LIMIT, Body, Request, Response, target, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

_CONNECT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 15.0
_WHOLE = _SLICE = 256 * 1024
_FIRST = 64 * 1024
_SWITCHING_PROTOCOLS = 101  # after which aiohttp leaves the connection to its reader
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "wxcv"}
_NO_BODY = Body("application/x-www-form-urlencoded", ())

# The first class of an error's ancestry that stands here decides. "lost" and "timeout" become
# ConnectError when nothing of the body had left.
ERROR_KINDS: dict[type[BaseException], str] = {
    aiohttp.ClientConnectorError: "connect",
    aiohttp.ClientHttpProxyError: "connect",
    aiohttp.ConnectionTimeoutError: "connect",
    aiohttp.ServerFingerprintMismatch: "connect",
    aiohttp.InvalidURL: "connect",
    aiohttp.NonHttpUrlClientError: "connect",
    aiohttp.ServerTimeoutError: "timeout",
    TimeoutError: "timeout",
    aiohttp.ClientResponseError: "protocol",
    aiohttp.RedirectClientError: "protocol",
    aiohttp.ClientPayloadError: "lost",
    aiohttp.ClientConnectionError: "lost",
    aiohttp.ClientError: "lost",
    OSError: "lost",
    Exception: "lost",
}


class _Payload(aiohttp.Payload):
    """A body that leaves in as few pieces as it can, and tells when the first of it does.

    Every piece is a system call and wakes the peer, which costs more than to copy what is small: up to _WHOLE
    bytes leave in one piece with the request's head, and of more the first _FIRST.

    Args:
        body: what is to be written.
        departed: called when the first of it is about to leave.
        buffers: of _WHOLE bytes, which are free. New memory for every copy would cost more than the copy.
    """

    def __init__(self, body: Body, departed: Callable[[], None], buffers: list[memoryview]) -> None:
        super().__init__(body, content_type=body.content_type)
        self._body = body
        self._size = body.size
        self._departed = departed
        self._buffers = buffers
        self.left = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._body.parts).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - always the whole body
    ) -> None:
        if self.left:  # aiohttp repeats a GET by itself, and every request for a token may end the one before
            raise RuntimeError("a request is sent once")
        transport = getattr(writer, "transport", None)
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the connection closed before the body left")
        self.left = True
        self._departed()
        buffer = self._buffers.pop() if self._buffers else memoryview(bytearray(_WHOLE))
        end, rest = _filled(buffer, self._body)
        await writer.write(buffer[:end])
        if transport.get_write_buffer_size() == 0:  # else some of it may wait there
            self._buffers.append(buffer)
        room = _room(transport) if rest else 0
        for view in rest:
            for start in range(0, len(view), room):
                await writer.write(view[start : start + room])


def _filled(buffer: memoryview, body: Body) -> tuple[int, list[memoryview]]:
    """Copy the first of the body into the buffer; return how many bytes that were, and what is left."""
    limit = _WHOLE if body.size <= _WHOLE else _FIRST
    end, rest = 0, []
    for part in body.parts:
        start = end
        end = min(start + len(part), limit)
        if end - start == len(part):
            buffer[start:end] = part
        else:
            view = memoryview(part)
            buffer[start:end] = view[: end - start]
            rest.append(view[end - start :])
    return end, rest


def _room(transport: asyncio.Transport) -> int:
    """Return the bytes of one write: what the system takes at once, as asyncio on 3.11 copies the rest."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return _SLICE
    # Linux tells twice the size that it was asked for, to have room for its own bookkeeping.
    size: int = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
    return max(_SLICE, size)


def _kind(error: BaseException) -> str:
    return next(ERROR_KINDS[cls] for cls in type(error).__mro__ if cls in ERROR_KINDS)


def _translated(error: Exception, host: str, *, left: bool) -> WxcvError:
    """Make our error; the message of aiohttp's may hold the URL and with it the token."""
    kind, reason = _kind(error), type(error).__name__
    if kind == "protocol" and left:
        return ProtocolError(f"{host} answered with something that is not HTTP ({reason})", status=0)
    errno, told = getattr(error, "errno", None), getattr(error, "strerror", None)
    detail = f"{reason}: {told}" if isinstance(told, str) else reason
    if kind == "connect" or not left:
        return ConnectError(f"cannot reach {host}, nothing was sent ({detail})", reason=reason, errno=errno)
    if kind == "timeout":
        return CallTimeoutError(f"no answer of {host} in time ({detail})", reason=reason, errno=errno)
    return AnswerLostError(f"the answer of {host} was lost ({detail})", reason=reason, errno=errno)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= ANSWER_LIMIT and response.status != _SWITCHING_PROTOCOLS:
        return await response.read()  # which lets go of the connection, and closes it after an error
    chunks, size = [], 0
    async with response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > ANSWER_LIMIT:
                raise too_large(response.status)
            chunks.append(chunk)
    return b"".join(chunks)


class Transport:
    """Sends requests below one base URL over an aiohttp.ClientSession, its own or a borrowed one.

    Args:
        base_url: scheme, host and port.
        connections: how many connections an own session may hold.
        attempt_timeout: seconds for one request with its body and answer.
        http: a borrowed session, which is never closed here; what it may have switched on is overridden.
        proxy: the URL of an HTTP proxy, or None.
        trust_env: whether an own session takes proxies from the environment.
    """

    def __init__(  # noqa: PLR0913 - the settings of one connection pool
        self,
        base_url: str,
        *,
        connections: int,
        attempt_timeout: float,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        if http is not None and not isinstance(http, aiohttp.ClientSession):
            raise TypeError(f"http must be an aiohttp.ClientSession, not {type(http).__name__}")
        self._host = URL(base_url).authority
        # Uploads share a target as long as their token lives, and a URL remembers what aiohttp asks of it.
        self._url = lru_cache(maxsize=64)(
            lambda path, query: URL(base_url + target(path, query), encoded=True)
        )
        self._connections = connections
        self._owned = http is None
        self._http = http
        self._headers = None if self._owned else _HEADERS  # an own session has them once and for all
        self._proxy = proxy
        self._trust_env = trust_env
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buffers: list[memoryview] = []
        self._deadlines = Deadlines(attempt_timeout)
        self._timeout = aiohttp.ClientTimeout(
            total=None,  # the deadline, which bounds everything
            connect=min(_CONNECT_SECONDS, attempt_timeout) if self._owned else None,
            sock_connect=min(_CONNECT_SECONDS, attempt_timeout),
        )

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._loop not in {None, loop}:
            raise SessionClosedError("the session belongs to another event loop; open a new one in this")
        self._loop = loop
        self.require_open()
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_KEEPALIVE_SECONDS)
            self._http = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                headers=_HEADERS,
            )
        return self._http

    def require_open(self) -> None:
        """Raise SessionClosedError if nothing can be sent any more."""
        if self._closed or (self._http is not None and self._http.closed):
            raise SessionClosedError("the HTTP session is closed; open a new one")

    async def send(self, request: Request, departed: Callable[[], None] = lambda: None) -> Response:
        """Send once and read the answer, whatever its status; redirects are not followed.

        Args:
            request: with everything it needs; its query is secret.
            departed: called when the first byte is about to leave, also if no answer comes.

        Raises:
            TransportError: no answer; its class tells whether anything was sent.
            ProtocolError: more than ANSWER_LIMIT bytes, or no HTTP.
            SessionClosedError: the session was closed.
        """
        payload = _Payload(request.body or _NO_BODY, departed, self._buffers)
        deadline = Deadline(self._deadlines)
        try:
            with deadline:
                response = await self._session().request(
                    request.method,
                    self._url(request.path, request.query),
                    data=payload,
                    headers=self._headers,
                    timeout=self._timeout,
                    proxy=self._proxy,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=False,
                    middlewares=(),
                )
                return Response(response.status, response.headers, await _read(response))
            failure = _translated(TimeoutError(), self._host, left=payload.left)
        except WxcvError:
            raise
        except asyncio.CancelledError:
            if deadline.is_task_cancelled:
                raise
            # A connector that is closed cancels what its callers wait for, and not the callers.
            failure = _translated(aiohttp.ClientConnectionError(), self._host, left=payload.left)
        except Exception as error:  # noqa: BLE001 - a name that cannot be encoded, a caller's trace hook
            failure = _translated(error, self._host, left=payload.left)
        # Raised out here: inside the block aiohttp's error, which holds the URL, would be its context.
        raise failure

    def refuse(self) -> None:
        """Send nothing more; what is under way goes on."""
        self._closed = True

    async def aclose(self) -> None:
        """Close an own session and its connections; a borrowed one is left as it is."""
        self.refuse()
        if self._owned and self._http is not None:
            await self._http.close()
