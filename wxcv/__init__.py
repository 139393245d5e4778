"""Asyncio client for WeChat's image endpoints: QR codes, barcodes and printed text."""

from wxcv.calls import SendEvent
from wxcv.clock import Clock, ManualClock
from wxcv.credentials import AppCredential
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
from wxcv.images import ImageBytes, ImageUrl
from wxcv.models import AccessToken, CodeResult, ImgSize, Point, Pos, PrintedText, QrcodeScan, TextItem
from wxcv.session import Session
from wxcv.tokens import TokenCache

__all__ = [
    "PRINTED_TEXT",
    "SCAN_QRCODE",
    "APIError",
    "AccessToken",
    "AnswerLostError",
    "AppCredential",
    "CallTimeoutError",
    "Clock",
    "CodeResult",
    "ConnectError",
    "CredentialRejectedError",
    "EmptyImageError",
    "Endpoint",
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
    "PermissionDeniedError",
    "Point",
    "Pos",
    "PrintedText",
    "ProtocolError",
    "QrcodeScan",
    "QuotaExhaustedError",
    "RateLimitedError",
    "SendEvent",
    "Session",
    "SessionClosedError",
    "StoreError",
    "SystemBusyError",
    "TextItem",
    "TokenCache",
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
