"""Asyncio client for WeChat's image endpoints: QR codes, barcodes and printed text."""

import importlib
import typing

from wxcv.batch import Batch
from wxcv.calls import SendEvent
from wxcv.clock import Clock, ManualClock
from wxcv.credentials import AppCredential, Credential, FixedToken, TokenFrom
from wxcv.endpoints import PRINTED_TEXT, SCAN_QRCODE, Endpoint
from wxcv.errors import (
    AnswerLostError,
    APIError,
    CallTimeoutError,
    ConnectError,
    CredentialRejectedError,
    EmptyImageError,
    ImageError,
    ImageRejectedError,
    ImageTooLargeError,
    ImageUrlRejectedError,
    InvalidImageUrlError,
    NotAnImageError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitedError,
    SessionClosedError,
    SlotTimeoutError,
    StoreError,
    SystemBusyError,
    TokenRejectedError,
    TokenSourceError,
    TransportError,
    UnreadableImageError,
    WxcvError,
)
from wxcv.images import Image, ImageBytes, ImageUrl
from wxcv.models import AccessToken, CodeResult, ImgSize, Point, Pos, PrintedText, QrcodeScan, TextItem
from wxcv.outcomes import Answered, Outcome, Unanswered
from wxcv.retries import RetryPolicy
from wxcv.session import Session
from wxcv.state import SessionStats
from wxcv.stores import RedisStore, Store, StoredToken
from wxcv.tokens import TokenCache

if typing.TYPE_CHECKING:
    from wxcv.cloud import CloudCredential, CloudRelayCredential
    from wxcv.component import AuthorizerCredential, ComponentCredential

    __version__: str

__all__ = [
    "PRINTED_TEXT",
    "SCAN_QRCODE",
    "APIError",
    "AccessToken",
    "AnswerLostError",
    "Answered",
    "AppCredential",
    "AuthorizerCredential",
    "Batch",
    "CallTimeoutError",
    "Clock",
    "CloudCredential",
    "CloudRelayCredential",
    "CodeResult",
    "ComponentCredential",
    "ConnectError",
    "Credential",
    "CredentialRejectedError",
    "EmptyImageError",
    "Endpoint",
    "FixedToken",
    "Image",
    "ImageBytes",
    "ImageError",
    "ImageRejectedError",
    "ImageTooLargeError",
    "ImageUrl",
    "ImageUrlRejectedError",
    "ImgSize",
    "InvalidImageUrlError",
    "ManualClock",
    "NotAnImageError",
    "Outcome",
    "PermissionDeniedError",
    "Point",
    "Pos",
    "PrintedText",
    "ProtocolError",
    "QrcodeScan",
    "QuotaExhaustedError",
    "RateLimitedError",
    "RedisStore",
    "RetryPolicy",
    "SendEvent",
    "Session",
    "SessionClosedError",
    "SessionStats",
    "SlotTimeoutError",
    "Store",
    "StoreError",
    "StoredToken",
    "SystemBusyError",
    "TextItem",
    "TokenCache",
    "TokenFrom",
    "TokenRejectedError",
    "TokenSourceError",
    "TransportError",
    "Unanswered",
    "UnreadableImageError",
    "WxcvError",
]


# Imported when they are first asked for, as few programs need them.
_LATER = {
    "AuthorizerCredential": "wxcv.component",
    "CloudCredential": "wxcv.cloud",
    "CloudRelayCredential": "wxcv.cloud",
    "ComponentCredential": "wxcv.component",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


if not typing.TYPE_CHECKING:  # type checkers are to find a name that does not exist

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - costs more than all the rest

            return version("wxcv")
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = value
        return value
