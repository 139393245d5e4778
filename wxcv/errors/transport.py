"""Errors for requests without a usable response."""

from __future__ import annotations

from wxcv.errors.base import UNREACHABLE, WxcvError


class TransportError(WxcvError):
    """No complete HTTP response was received, because of the network, a proxy, the server or a timeout.

    Attributes:
        reason: the name of the exception class of aiohttp or Python that reported it, or "".
        errno: the operating system's error number, or None.
    """

    retryable = True
    user_message = UNREACHABLE

    def __init__(self, message: str, *, reason: str = "", errno: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.errno = errno


class ConnectError(TransportError):
    """No byte of the image was sent, and no quota was used.

    The connection, the name lookup, TLS or the proxy failed, a timeout came first, or no token could be
    obtained in time (including a cloud token file that cannot be read or is empty).
    """


class CallTimeoutError(TransportError):
    """Time ran out. If ``sends`` is not 0, WeChat may have read and counted the image."""


class AnswerLostError(TransportError):
    """A request was sent, in full or in part, and its response was lost.

    If ``sends`` is not 0, it was the image, and WeChat may have counted it; if it is 0, it was a token
    request, or the query of ``Session.quota``. Also raised when a later attempt of the same call could not
    connect; its ConnectError is then ``__cause__``.
    """


class ProtocolError(WxcvError):
    """A response that is not one of WeChat's API: a 5xx, a 413, a redirect, HTML, or one that is too large.

    The cause is often a proxy or a captive portal on the way to WeChat. Retryable if the status is 500 or
    more, except for relay errors of cloud hosting.

    Attributes:
        status: the HTTP status, or None if the response was not HTTP.
        excerpt: the start of the response, masked; empty for responses to token requests, and for those of
            endpoints whose answers hold personal data (``Endpoint.is_personal``).
        retry_after: seconds to wait according to the response's Retry-After header, or None.
    """

    retry_after: float | None = None
    user_message = UNREACHABLE

    def __init__(self, message: str, *, status: int | None, excerpt: str = "") -> None:
        super().__init__(f"{message}: {excerpt!r}" if excerpt else message)
        self.status = status
        self.excerpt = excerpt
        self.retryable = status is not None and status >= 500  # noqa: PLR2004 - the class of server errors
