"""Transport: sends a request through aiohttp, and returns a response or raises an error of wxcv."""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from wxcv.calls.connections import DelayedReuseConnector
from wxcv.calls.deadlines import Deadline, DeadlineTimer
from wxcv.calls.hosts import CONNECT_TIMEOUT, Host, Hosts, is_host_fault
from wxcv.calls.payload import Payload
from wxcv.calls.proxies import find_secrets, is_proxied
from wxcv.clock import SystemClock
from wxcv.errors import (
    AnswerLostError,
    CallTimeoutError,
    ConnectError,
    ProtocolError,
    SessionClosedError,
    WxcvError,
)
from wxcv.masking import class_name
from wxcv.protocol.answers import ANSWER_LIMIT, Response, make_too_large_error
from wxcv.protocol.requests import Body, Request, build_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SUCCESS = 2  # the hundreds of an HTTP status
_SWITCHING_PROTOCOLS = 101  # after this status aiohttp does not close the connection by itself
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "wxcv"}
_NO_BODY = Body("application/x-www-form-urlencoded", ())

# The first class in an exception's MRO that is listed here decides. Every kind becomes ConnectError if
# nothing of the body was sent.
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
# For these the text of the error number would be misleading; the exceptions' own texts are never used.
_TEXTS: dict[type[BaseException], str] = {
    aiohttp.ClientConnectorCertificateError: "its certificate was not accepted",
    aiohttp.ClientConnectorDNSError: "its name could not be resolved",
    aiohttp.ClientConnectorSSLError: "the TLS handshake failed",
    aiohttp.ClientHttpProxyError: "the proxy refused",
    ssl.SSLError: "TLS failed",
    TimeoutError: "it took too long",
    OSError: "",
    Exception: "",
}


def _find(table: dict[type[BaseException], str], error: BaseException) -> str:
    return next(table[cls] for cls in type(error).__mro__ if cls in table)


def translate(error: Exception, host: str, *, is_started: bool) -> WxcvError:
    """Make an error of wxcv from the class and error number of aiohttp's, whose text may hold the URL.

    Args:
        error: the exception that aiohttp raised.
        host: host and port of the server.
        is_started: whether the body was begun.
    """
    kind, reason = _find(ERROR_KINDS, error), class_name(error)
    errno = getattr(error, "errno", None)
    errno = errno if isinstance(errno, int) else None
    text = _find(_TEXTS, error) or (os.strerror(errno) if errno is not None and errno > 0 else "")
    detail = f"{reason}: {text}" if text else reason
    if kind == "protocol" and is_started:
        return ProtocolError(f"the response of {host} is not HTTP ({reason})", status=None)
    if not is_started:
        return ConnectError(f"cannot reach {host}, nothing was sent ({detail})", reason=reason, errno=errno)
    if kind == "timeout":
        return CallTimeoutError(f"no response from {host} in time ({detail})", reason=reason, errno=errno)
    return AnswerLostError(f"the response of {host} was lost ({detail})", reason=reason, errno=errno)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= ANSWER_LIMIT and response.status != _SWITCHING_PROTOCOLS:
        return await response.read()  # which also releases the connection
    chunks, size = [], 0
    async with response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > ANSWER_LIMIT:
                raise make_too_large_error(response.status)
            chunks.append(chunk)
    return b"".join(chunks)


class Transport:
    """Sends requests to an API's hosts through an aiohttp.ClientSession, its own or a borrowed one.

    Args:
        base_url: scheme, host and port.
        fallback_urls: the same of other hosts, for requests of which nothing was sent to those before them.
        connections: maximum connections in use of its own ClientSession.
        attempt_timeout: seconds for one request to one host, including its body and response.
        connect_timeout: maximum seconds of it for a connection.
        http: a borrowed ClientSession, which is never closed here; its raise_for_status, redirect,
            middleware, decompression and timeout settings do not apply. Or None.
        proxy: the URL of an HTTP proxy, or None.
        trust_env: whether its own ClientSession takes proxies from the environment.
        monotonic: returns monotonic time in seconds, for idle connections and pauses of hosts that failed.

    Attributes:
        base_url, has_fallbacks: the main host's, and whether there are others.
    """

    def __init__(  # noqa: PLR0913 - the settings of one connection pool
        self,
        base_url: str,
        fallback_urls: Sequence[str] = (),
        *,
        connections: int,
        attempt_timeout: float,
        connect_timeout: float = CONNECT_TIMEOUT,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        monotonic: Callable[[], float] = SystemClock.monotonic,
    ) -> None:
        if http is not None and not isinstance(http, aiohttp.ClientSession):
            raise TypeError(f"http must be an aiohttp.ClientSession, not {class_name(http)}")
        self._main, *fallbacks = (Host(url, URL(url).authority) for url in (base_url, *fallback_urls))
        self._hosts = Hosts(self._main, fallbacks, monotonic)
        self.base_url, self.has_fallbacks = base_url, bool(fallbacks)
        # Uploads with the same token share a URL, and a URL caches what aiohttp reads from it.
        self._url = lru_cache(maxsize=64)(
            lambda base_url, path, query: URL(base_url + build_target(path, query), encoded=True)
        )
        self._connections = connections
        self._monotonic = monotonic
        self._owned = http is None
        self._http = http
        self._headers = None if self._owned else _HEADERS  # its own ClientSession has them as defaults
        self._proxy = proxy
        self._trust_env = trust_env
        self._known = find_secrets(proxy, trust_env=trust_env)
        self._closed = False
        self._buffers: list[memoryview] = []
        self._deadlines = DeadlineTimer(attempt_timeout)
        # In a borrowed ClientSession, connecting ends before the attempt, which may wait for its pool.
        most = attempt_timeout if self._owned or not fallbacks else attempt_timeout / 2
        self._connect_timeout = min(connect_timeout, most)
        self._timeout = aiohttp.ClientTimeout(
            total=None,  # a Deadline covers everything
            connect=self._connect_timeout if self._owned else None,
            sock_connect=self._connect_timeout,
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._closed or self._http is None or self._http.closed:
            self.require_open()
            self._http = aiohttp.ClientSession(
                connector=DelayedReuseConnector(self._connections, self._monotonic),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                headers=_HEADERS,
            )
        return self._http

    def require_open(self) -> None:
        """Raise SessionClosedError if requests can no longer be sent."""
        if self._closed or (self._http is not None and self._http.closed):
            raise SessionClosedError("the HTTP session is closed; open a new one")

    async def send(self, request: Request, before_first_byte: Callable[[], None] = lambda: None) -> Response:
        """Send a request once and read the response, whatever its status; redirects are not followed.

        While nothing of the body was sent and a host failed, the next one is tried.

        Args:
            request: the complete request; its query is secret.
            before_first_byte: called when the first byte of the body is about to be sent.

        Raises:
            TransportError: no response; its class says whether anything was sent.
            ProtocolError: the response has more than ANSWER_LIMIT bytes or is not HTTP.
            SessionClosedError: the session was closed.
        """
        if self.has_fallbacks:
            result = await self._hosts.send_in_turn(
                lambda host: self._exchange(request, self._make_payload(request, before_first_byte), host),
                self._is_host_fault,
                request.path,
            )
        else:
            result = await self._exchange(request, self._make_payload(request, before_first_byte), self._main)
        if isinstance(result, Response):
            return result
        # Raised outside the except block: inside it, aiohttp's error, which holds the URL, would be the
        # context.
        try:
            raise result
        finally:
            del result  # avoids a reference cycle through its own traceback

    def _make_payload(self, request: Request, before_first_byte: Callable[[], None]) -> Payload:
        return Payload(request.body or _NO_BODY, before_first_byte, self._buffers, is_guarded=self._owned)

    def _is_host_fault(self, error: ConnectError, host: Host) -> bool:
        is_through_proxy = is_proxied(host.url, self._proxy, self._http)
        return is_host_fault(error, is_proxied=is_through_proxy, is_pool_shared=not self._owned)

    def _record_slow_connect(self, host: Host, deadline: Deadline) -> None:
        """Pause a host that was slow to connect until the caller's own, shorter timeout came.

        Otherwise callers with short timeouts would never get past it. In a borrowed ClientSession, the
        request may only have waited for somebody else's connection.
        """
        elapsed = asyncio.get_running_loop().time() - deadline.when() + self._deadlines.seconds
        if elapsed >= self._connect_timeout / 2 and not is_proxied(host.url, self._proxy, self._http):
            self._hosts.record_failure(host)

    async def _exchange(self, request: Request, payload: Payload, host: Host) -> Response | WxcvError:
        deadline = Deadline(self._deadlines)
        try:
            with deadline:
                response = await self._session().request(
                    request.method,
                    self._url(host.url, request.path, request.query),
                    data=payload,
                    headers=self._headers,
                    timeout=self._timeout,
                    proxy=self._proxy,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=False,
                    middlewares=(),
                )
                status, is_early = response.status, not payload.is_complete
                answer = Response(status, response.headers, await _read(response), self._known, host.url)
                return self._find_mismatch(payload, host, status, is_early=is_early) or answer
            return translate(TimeoutError(), host.name, is_started=payload.is_started)
        except WxcvError:
            raise
        except asyncio.CancelledError:
            if deadline.is_task_cancelled:
                if self.has_fallbacks and self._owned and not payload.is_started:
                    self._record_slow_connect(host, deadline)
                raise
            # Closing a connector cancels the futures that its callers wait for, not the callers.
            return translate(aiohttp.ClientConnectionError(), host.name, is_started=payload.is_started)
        except Exception as error:  # noqa: BLE001 - a name that cannot be encoded, a caller's trace hook
            return translate(error, host.name, is_started=payload.is_started)

    def _find_mismatch(
        self, payload: Payload, host: Host, status: int, *, is_early: bool
    ) -> WxcvError | None:
        """Return the error for a response that cannot belong to the request, or None."""
        has_more = payload.connection is not None and payload.connection.finish(payload)
        if not payload.is_started:  # aiohttp returned a response from before the request
            return translate(aiohttp.ClientConnectionResetError(), host.name, is_started=False)
        if is_early and status // 100 == _SUCCESS:
            return AnswerLostError(f"{host.name} responded before it had received the whole request")
        return (
            AnswerLostError(f"{host.name} sent more than one response, and none is used")
            if has_more
            else None
        )

    def stop_sending(self) -> None:
        """Refuse further requests; those that are running continue."""
        self._closed = True

    async def aclose(self) -> None:
        """Close its own ClientSession with all connections; leave a borrowed one unchanged."""
        self.stop_sending()
        if self._owned and self._http is not None:
            await self._http.close()

    def close_without_waiting(self) -> bool:
        """Close its own unclosed ClientSession without waiting; return whether there was one."""
        http, self._http = self._http, None
        if not self._owned or http is None or http.closed or http.connector is None:
            return False
        http.connector.__exit__()  # the only way to close it without awaiting
        return True
