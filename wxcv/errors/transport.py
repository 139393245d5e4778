"""Requests without a usable answer."""

from __future__ import annotations

from wxcv.errors.base import LATER, WxcvError


class TransportError(WxcvError):
    """No usable answer came: the network's or the server's fault.

    Attributes:
        reason: the name of the error class of aiohttp or of Python that reported it.
        errno: the operating system's error number, or None.
    """

    retryable = True
    user_message = LATER

    def __init__(self, message: str, *, reason: str = "", errno: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.errno = errno


class ConnectError(TransportError):
    """Nothing of the whole call was sent: the connection, the name lookup, TLS or the proxy failed first.

    No quota was used.
    """


class CallTimeoutError(TransportError):
    """Time ran out. If ``sends`` is not 0, the image may have been read and counted by WeChat."""


class AnswerLostError(TransportError):
    """The image was sent, wholly or in part, and no usable answer came: WeChat may have counted it.

    Also where a later attempt of the same call could not connect: its ConnectError is then ``__cause__``.
    """


class ProtocolError(WxcvError):
    """An answer outside the protocol: a 5xx, a 413, a redirect, HTML, an answer too large.

    Often a proxy or a captive portal between here and WeChat. Retryable if the status is 500 or more.

    Attributes:
        status: the HTTP status, or None if what came was no HTTP.
        excerpt: the start of the answer, masked; empty for the answers of token requests.
        retry_after: seconds to wait as the answer's Retry-After says, or None.
    """

    retry_after: float | None = None
    user_message = LATER

    def __init__(self, message: str, *, status: int | None, excerpt: str = "") -> None:
        super().__init__(f"{message}: {excerpt!r}" if excerpt else message)
        self.status = status
        self.excerpt = excerpt
        self.retryable = status is not None and status >= 500  # noqa: PLR2004 - the class of server errors
