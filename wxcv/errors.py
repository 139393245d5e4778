"""Every error that wxcv raises, under one root.

::

    WxcvError
    ├── ImageError (ValueError)         refused here, nothing was sent
    │   ├── ImageTooLargeError
    │   ├── EmptyImageError
    │   ├── NotAnImageError
    │   ├── UnreadableImageError
    │   └── InvalidImageUrlError
    ├── TransportError                  no usable answer came
    │   ├── ConnectError                surely not sent
    │   ├── CallTimeoutError
    │   └── AnswerLostError             sent, outcome unknown
    ├── ProtocolError                   an answer outside the protocol
    ├── APIError                        WeChat said no
    │   ├── SystemBusyError
    │   ├── RateLimitedError
    │   ├── QuotaExhaustedError
    │   ├── TokenRejectedError
    │   ├── CredentialRejectedError
    │   ├── PermissionDeniedError
    │   ├── ImageRejectedError
    │   └── ImageUrlRejectedError
    ├── SessionClosedError (RuntimeError)
    └── StoreError

A call that raises any of them leaves the session usable, except SessionClosedError.
No error holds a token, a secret, or an address with its query; all can be pickled and copied.
"""

from __future__ import annotations

from typing import Any


def _rebuild(cls: type[WxcvError], args: tuple[object, ...], state: dict[str, Any]) -> WxcvError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class WxcvError(Exception):
    """Root of all errors of wxcv.

    Attributes:
        retryable: whether the very same call may succeed later with nothing changed.
        sends: how many times the image went out, wholly or in part, before this error.
        elapsed: seconds from when the call had its slot.
    """

    retryable: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.sends = 0
        self.elapsed = 0.0

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} [sends: {self.sends}, elapsed: {self.elapsed:.2f} s]" if self.sends else message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone.
        return _rebuild, (type(self), self.args, self.__dict__)


class ImageError(WxcvError, ValueError):
    """The image was refused here; nothing was sent and no quota was used. The caller's to mend.

    Attributes:
        image: a short name of the image: its path, its address without the query, or its size.
    """

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(f"{image}: {reason}")
        self.image = image


class ImageTooLargeError(ImageError):
    """The image reaches the limit. WeChat takes files of less than 2 MB.

    Attributes:
        size: bytes of the image; of a stream, the bytes read before it was given up.
        limit: bytes; an image must be smaller.
    """

    def __init__(self, image: str, size: int, limit: int) -> None:
        super().__init__(
            image,
            f"{size:,} bytes are too large: an image must be smaller than {limit:,} bytes; "
            "scale it down or compress it more",
        )
        self.size = size
        self.limit = limit


class EmptyImageError(ImageError):
    """The image has no bytes: an empty file, or a file object that stands at its end."""


class NotAnImageError(ImageError):
    """The first bytes are not those of an image that WeChat is known to read."""


class UnreadableImageError(ImageError):
    """The image cannot be read: missing, not a regular file, no permission, or it changed meanwhile."""


class InvalidImageUrlError(ImageError):
    """The address cannot be handed to WeChat as ``img_url``."""


class TransportError(WxcvError):
    """No usable answer came: the network's or the server's fault.

    Attributes:
        reason: the kind of failure, by the name of aiohttp's or the system's error class.
        errno: the operating system's error number, where there is one.
    """

    retryable = True

    def __init__(self, message: str, *, reason: str = "", errno: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.errno = errno


class ConnectError(TransportError):
    """Nothing was sent: the connection, the name lookup, TLS or the proxy failed first. No quota was used."""


class CallTimeoutError(TransportError):
    """Time ran out. If ``sends`` is not 0, the image may have been read and counted by WeChat."""


class AnswerLostError(TransportError):
    """The request left, wholly or in part, and no answer came: WeChat may have counted it."""


class ProtocolError(WxcvError):
    """An answer outside the protocol: a 5xx, a 413, a redirect, HTML, an answer too large.

    Often a proxy or a captive portal between here and WeChat. Retryable if the status is 500 or more.

    Attributes:
        status: the HTTP status.
        excerpt: the start of the answer, masked; empty for the answers of token requests.
        retry_after: seconds to wait as the answer's Retry-After says, or None.
    """

    retry_after: float | None = None

    def __init__(self, message: str, *, status: int, excerpt: str = "") -> None:
        super().__init__(f"{message}: {excerpt!r}" if excerpt else message)
        self.status = status
        self.excerpt = excerpt
        self.retryable = status >= 500  # noqa: PLR2004 - the class of server errors


class APIError(WxcvError):
    """WeChat answered with an errcode other than 0.

    Codes without a class of their own are plain APIErrors and are not retryable.

    Attributes:
        errcode: WeChat's code; 429 where an HTTP status 429 came without one.
        errmsg: WeChat's text without its rid and hint, masked.
        rid: WeChat's id of the request, to be quoted to its support, or None.
        hint: WeChat's older id of the request, or None.
        meaning: the code in English, or "".
        remedy: what to do, or "".
    """

    def __init__(  # noqa: PLR0913 - the fields of one answer
        self,
        errcode: int,
        errmsg: str,
        *,
        rid: str | None = None,
        hint: str | None = None,
        meaning: str = "",
        remedy: str = "",
    ) -> None:
        told = "; ".join(part for part in (meaning, remedy) if part)
        trace = f" [rid {rid}]" if rid else ""
        super().__init__(f"errcode {errcode}: {errmsg}" + (f" ({told})" if told else "") + trace)
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid
        self.hint = hint
        self.meaning = meaning
        self.remedy = remedy


class SystemBusyError(APIError):
    """WeChat is busy; the same call may succeed in a moment."""

    retryable = True


class RateLimitedError(APIError):
    """Too many calls in this minute (45011, or HTTP status 429).

    Attributes:
        retry_after: seconds to wait as the answer's Retry-After says, or None.
    """

    retryable = True
    retry_after: float | None = None


class QuotaExhaustedError(APIError):
    """The day's quota, or the paid pack, is used up: every further call fails until it is refilled."""


class TokenRejectedError(APIError):
    """WeChat refused the access_token of a call, also after one renewal where renewal can help.

    The refused token is dropped, and the next call asks for a new one; unless this very token had replaced a
    refused one, after which nobody asks for 30 s.
    """

    @property
    def renewable(self) -> bool:
        """Whether a new access_token can mend it, by WeChat's code."""
        return self.errcode in {40001, 40014, 42001}


class CredentialRejectedError(APIError):
    """WeChat refused to give a token: appid, secret, caller's address, or the account's state."""


class PermissionDeniedError(APIError):
    """The account may not use this endpoint."""


class ImageRejectedError(APIError):
    """WeChat could not use this image; other images are not concerned."""


class ImageUrlRejectedError(APIError):
    """WeChat could not fetch ``img_url``; uploading the bytes instead often helps."""


class SessionClosedError(WxcvError, RuntimeError):
    """The session is closed, or was closed while the call waited or ran; open a new one."""


class StoreError(WxcvError):
    """The shared token store failed and no token may be fetched without it."""

    retryable = True
