"""Asyncio client for WeChat's image endpoints: QR codes, barcodes and printed text."""

from wxcv.batch import Batch
from wxcv.calls import SendEvent
from wxcv.clock import Clock, ManualClock
from wxcv.cloud import CloudCredential, CloudRelayCredential
from wxcv.component import AuthorizerCredential, ComponentCredential
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
    StoreError,
    SystemBusyError,
    TokenRejectedError,
    TransportError,
    UnreadableImageError,
    WxcvError,
)
from wxcv.images import Image, ImageBytes, ImageUrl
from wxcv.models import AccessToken, CodeResult, ImgSize, Point, Pos, PrintedText, QrcodeScan, TextItem
from wxcv.outcomes import Outcome
from wxcv.retries import RetryPolicy
from wxcv.session import Session
from wxcv.stores import RedisStore, Store, StoredToken
from wxcv.tokens import TokenCache

__all__ = [
    "PRINTED_TEXT",
    "SCAN_QRCODE",
    "APIError",
    "AccessToken",
    "AnswerLostError",
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
    "Store",
    "StoreError",
    "StoredToken",
    "SystemBusyError",
    "TextItem",
    "TokenCache",
    "TokenFrom",
    "TokenRejectedError",
    "TransportError",
    "UnreadableImageError",
    "WxcvError",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - costs more than all the rest

        return version("wxcv")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
