"""Every error that wxcv raises, under one root.

::

    WxcvError
    ├── ImageError (ValueError)         refused here, nothing was sent
    │   ├── ImageTooLargeError
    │   ├── EmptyImageError
    │   ├── UnsupportedImageError
    │   ├── UnreadableImageError
    │   └── InvalidImageUrlError
    ├── SlotTimeoutError                too many calls were waiting, nothing was sent
    ├── TransportError                  no usable answer came
    │   ├── ConnectError                surely not sent
    │   ├── CallTimeoutError
    │   └── AnswerLostError             sent, outcome unknown
    ├── ProtocolError                   an answer outside the protocol
    ├── APIError                        WeChat answered with an errcode
    │   ├── SystemBusyError
    │   ├── RateLimitedError
    │   ├── QuotaExhaustedError         *
    │   ├── TokenRejectedError          *
    │   ├── CredentialRejectedError     *
    │   ├── PermissionDeniedError       *
    │   ├── ImageRejectedError
    │   └── ImageUrlRejectedError
    ├── TokenSourceError                * the caller's own token function failed
    ├── SessionClosedError (RuntimeError)
    └── StoreError

    * account-wide: every other image would meet the same error

A call that raises any of them leaves the session usable, except SessionClosedError.
No error holds a token, a secret, or a URL with its query; all can be pickled and copied.
"""

from __future__ import annotations

from wxcv.errors.api import (
    APIError,
    CredentialRejectedError,
    ImageRejectedError,
    ImageUrlRejectedError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitedError,
    SystemBusyError,
    TokenRejectedError,
)
from wxcv.errors.base import (
    SessionClosedError,
    SlotTimeoutError,
    StoreError,
    TokenSourceError,
    WxcvError,
)
from wxcv.errors.image import (
    EmptyImageError,
    ImageError,
    ImageTooLargeError,
    InvalidImageUrlError,
    UnreadableImageError,
    UnsupportedImageError,
)
from wxcv.errors.transport import (
    AnswerLostError,
    CallTimeoutError,
    ConnectError,
    ProtocolError,
    TransportError,
)

__all__ = [
    "APIError",
    "AnswerLostError",
    "CallTimeoutError",
    "ConnectError",
    "CredentialRejectedError",
    "EmptyImageError",
    "ImageError",
    "ImageRejectedError",
    "ImageTooLargeError",
    "ImageUrlRejectedError",
    "InvalidImageUrlError",
    "PermissionDeniedError",
    "ProtocolError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "SessionClosedError",
    "SlotTimeoutError",
    "StoreError",
    "SystemBusyError",
    "TokenRejectedError",
    "TokenSourceError",
    "TransportError",
    "UnreadableImageError",
    "UnsupportedImageError",
    "WxcvError",
]
