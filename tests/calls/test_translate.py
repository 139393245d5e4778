"""What aiohttp raised, as an error of wxcv's: by its class and its number, and never by its text."""

from __future__ import annotations

import errno
import os
import ssl
from types import SimpleNamespace

import aiohttp
import aiohttp.client_exceptions
import pytest
from support.servers import answer, api_server

import wxcv
from wxcv.calls.transport import ERROR_KINDS, Transport, _find, translate
from wxcv.protocol.requests import Body, Request

PEER = SimpleNamespace(ssl=True, host="h", port=443, is_ssl=True)
RESET = aiohttp.ClientOSError(errno.ECONNRESET, "MARKED")
TIMED_OUT = TimeoutError(errno.ETIMEDOUT, "MARKED")
REFUSED = aiohttp.ClientConnectorError(PEER, OSError(errno.ECONNREFUSED, "MARKED"))  # type: ignore[arg-type]
NO_NAME = aiohttp.ClientConnectorDNSError(PEER, OSError(-2, "MARKED"))  # type: ignore[arg-type]
NO_TLS = aiohttp.ClientConnectorSSLError(PEER, OSError(1, "MARKED"))  # type: ignore[arg-type]
NO_HTTP = aiohttp.ClientResponseError(None, (), status=400, message="MARKED")  # type: ignore[arg-type]
RESET_TEXT, REFUSED_TEXT = os.strerror(errno.ECONNRESET), os.strerror(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("error", "is_started", "cls", "number", "told"),
    [
        (RESET, True, wxcv.AnswerLostError, errno.ECONNRESET, f"(ClientOSError: {RESET_TEXT})"),
        (RESET, False, wxcv.ConnectError, errno.ECONNRESET, f"(ClientOSError: {RESET_TEXT})"),
        (REFUSED, True, wxcv.AnswerLostError, errno.ECONNREFUSED, f"(ClientConnectorError: {REFUSED_TEXT})"),
        (REFUSED, False, wxcv.ConnectError, errno.ECONNREFUSED, f"(ClientConnectorError: {REFUSED_TEXT})"),
        (NO_NAME, False, wxcv.ConnectError, -2, "(ClientConnectorDNSError: its name could not be resolved)"),
        (NO_TLS, False, wxcv.ConnectError, 1, "(ClientConnectorSSLError: the TLS handshake failed)"),
        (ssl.SSLError(1, "MARKED"), True, wxcv.AnswerLostError, 1, "(SSLError: TLS failed)"),
        (TIMED_OUT, True, wxcv.CallTimeoutError, errno.ETIMEDOUT, "(TimeoutError: it took too long)"),
        (TIMED_OUT, False, wxcv.ConnectError, errno.ETIMEDOUT, "(TimeoutError: it took too long)"),
        (aiohttp.SocketTimeoutError("MARKED"), True, wxcv.CallTimeoutError, None, "(SocketTimeoutError: it"),
        (aiohttp.ClientPayloadError("MARKED"), True, wxcv.AnswerLostError, None, "(ClientPayloadError)"),
        (KeyError("MARKED"), True, wxcv.AnswerLostError, None, "(KeyError)"),
        (OSError("MARKED"), True, wxcv.AnswerLostError, None, "(OSError)"),
        (OSError("x", "MARKED"), True, wxcv.AnswerLostError, None, "(OSError)"),
        (OSError(0, "MARKED"), True, wxcv.AnswerLostError, 0, "(OSError)"),
        (NO_HTTP, False, wxcv.ConnectError, None, "(ClientResponseError)"),
    ],
)
def test_an_error_is_told_by_class_and_number(
    error: Exception, is_started: bool, cls: type[wxcv.TransportError], number: int | None, told: str
) -> None:
    """The message has the class, the number and the system's text, not aiohttp's, which may hold the URL."""
    mine = translate(error, "host:1", is_started=is_started)

    assert type(mine) is cls
    assert isinstance(mine, wxcv.TransportError)
    assert (mine.reason, mine.errno) == (type(error).__name__, number)
    assert told in str(mine)
    assert "host:1" in str(mine)
    assert "MARKED" not in str(mine)


def test_an_answer_that_is_no_http_is_a_protocol_error() -> None:
    """A response that cannot be parsed is a ProtocolError without a status, if something was sent."""
    mine = translate(NO_HTTP, "host:1", is_started=True)

    assert isinstance(mine, wxcv.ProtocolError)
    assert mine.status is None
    assert "the response of host:1 is not HTTP (ClientResponseError)" in str(mine)


@pytest.mark.parametrize(("attempt", "connect"), [(30.0, 5.0), (5.0, 5.0), (2.0, 2.0)])
async def test_a_connection_has_five_seconds_or_the_whole_attempt(attempt: float, connect: float) -> None:
    """5 s, or attempt_timeout if that is shorter; how long one waits for a free one is a lender's affair."""
    own = Transport("http://127.0.0.1:1", connections=1, attempt_timeout=attempt)
    async with aiohttp.ClientSession() as http:
        lent = Transport("http://127.0.0.1:1", connections=1, attempt_timeout=attempt, http=http)

    assert own._timeout == aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)
    assert lent._timeout == aiohttp.ClientTimeout(total=None, connect=None, sock_connect=connect)


async def test_the_buffer_of_an_upload_serves_the_next() -> None:
    """Successive uploads use a single buffer."""
    upload = Request("POST", "/cv/x/y", (), Body("image/png", (b"x" * 20_000,)))

    async def call(request: object) -> object:
        await request.read()  # type: ignore[attr-defined]
        return answer(errcode=0)

    async with api_server(call) as url:  # type: ignore[arg-type]
        transport = Transport(url, connections=1, attempt_timeout=5.0)
        for _ in range(3):
            await transport.send(upload)
            assert len(transport._buffers) == 1
        await transport.aclose()


KINDS = {
    "ClientError": "lost",
    "ClientConnectionError": "lost",
    "ClientConnectionResetError": "lost",
    "ClientOSError": "lost",
    "ClientPayloadError": "lost",
    "ServerConnectionError": "lost",
    "ServerDisconnectedError": "lost",
    "UploadAbortedError": "lost",
    "ServerTimeoutError": "timeout",
    "SocketTimeoutError": "timeout",
    "ConnectionTimeoutError": "connect",
    "ClientConnectorError": "connect",
    "ClientConnectorDNSError": "connect",
    "ClientConnectorSSLError": "connect",
    "ClientConnectorCertificateError": "connect",
    "ClientSSLError": "connect",
    "ClientProxyConnectionError": "connect",
    "ClientHttpProxyError": "connect",
    "UnixClientConnectorError": "connect",
    "ServerFingerprintMismatch": "connect",
    "InvalidURL": "connect",
    "InvalidUrlClientError": "connect",
    "InvalidUrlRedirectClientError": "connect",
    "NonHttpUrlClientError": "connect",
    "NonHttpUrlRedirectClientError": "connect",
    "RedirectClientError": "protocol",
    "ClientResponseError": "protocol",
    "ContentTypeError": "protocol",
    "TooManyRedirects": "protocol",
    "WSServerHandshakeError": "protocol",
}


def test_every_error_of_aiohttp_is_mapped() -> None:
    """Every error class of the installed aiohttp is listed here with the error that it becomes."""
    classes = {
        cls.__name__: cls
        for cls in vars(aiohttp.client_exceptions).values()
        if isinstance(cls, type) and issubclass(cls, aiohttp.ClientError)
    }

    assert {name: _find(ERROR_KINDS, cls.__new__(cls)) for name, cls in classes.items()} == {
        name: KINDS[name] for name in classes
    }
    assert {_find(ERROR_KINDS, TimeoutError()), _find(ERROR_KINDS, OSError())} == {"timeout", "lost"}
    assert set(ERROR_KINDS.values()) == {"connect", "timeout", "lost", "protocol"}
