"""Every error that wxcv raises, in one tree.

::

    WxcvError
    ├── ImageError (ValueError)         wxcv refused the image; nothing was sent
    │   ├── ImageTooLargeError
    │   ├── EmptyImageError
    │   ├── UnsupportedImageError
    │   ├── UnreadableImageError
    │   └── InvalidImageUrlError
    ├── DailyLimitError                 * a daily limit is used up; this attempt was not sent
    ├── SlotTimeoutError                no slot within slot_timeout, or max_waiting calls are already
    │                                   waiting; nothing was sent
    ├── TransportError                  no complete HTTP response was received
    │   ├── ConnectError                nothing was sent
    │   ├── CallTimeoutError            time ran out
    │   └── AnswerLostError             sent, result unknown
    ├── ProtocolError                   a response that is not one of WeChat's API
    ├── APIError                        WeChat returned an errcode
    │   ├── SystemBusyError
    │   ├── RateLimitedError
    │   ├── QuotaExhaustedError         *
    │   ├── TokenRejectedError          *
    │   ├── CredentialRejectedError     *
    │   ├── PermissionDeniedError       *
    │   ├── ImageRejectedError
    │   │   └── DocumentNotFoundError
    │   └── ImageUrlRejectedError
    ├── TokenSourceError                * the caller's own token or ticket function failed
    ├── SessionClosedError (RuntimeError)
    ├── StoreError                      the store failed; this attempt was not sent
    └── JournalError                    the journal failed; nothing more is sent

    * account-wide: every other image sent to the same endpoint would get the same error

After any of these errors except SessionClosedError, the session remains usable.
No error holds a token, a secret, or the query of a URL. Errors can be pickled and copied.
"""

from __future__ import annotations

from wxcv.errors.api import (
    APIError,
    CredentialRejectedError,
    DocumentNotFoundError,
    ImageRejectedError,
    ImageUrlRejectedError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitedError,
    SystemBusyError,
    TokenRejectedError,
)
from wxcv.errors.base import (
    DailyLimitError,
    JournalError,
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
    "DailyLimitError",
    "DocumentNotFoundError",
    "EmptyImageError",
    "ImageError",
    "ImageRejectedError",
    "ImageTooLargeError",
    "ImageUrlRejectedError",
    "InvalidImageUrlError",
    "JournalError",
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
