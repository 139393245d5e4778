"""An example of every public class of values and errors."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

import wxcv
from support.places import SAMPLES
from wxcv import errors
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = [
    errors.ImageTooLargeError("a.png", 9, 8),
    errors.EmptyImageError("a.png", "no bytes"),
    errors.UnsupportedImageError("a.txt", "text"),
    errors.UnreadableImageError("a.png", "missing"),
    errors.InvalidImageUrlError("ftp://x", "scheme"),
    errors.ConnectError("down", reason="X", errno=111),
    errors.CallTimeoutError("slow"),
    errors.AnswerLostError("gone"),
    errors.ProtocolError("odd", status=502, excerpt="<html>"),
    *(
        cls(40001, "no", rid="1-2-3", hint="h", meaning="m", remedy="r")
        for cls in (
            errors.APIError,
            errors.SystemBusyError,
            errors.RateLimitedError,
            errors.QuotaExhaustedError,
            errors.TokenRejectedError,
            errors.DocumentNotFoundError,
            errors.CredentialRejectedError,
            errors.PermissionDeniedError,
            errors.ImageRejectedError,
            errors.ImageUrlRejectedError,
        )
    ),
    errors.SlotTimeoutError("full"),
    errors.DailyLimitError("used up", resets_at=datetime(2026, 3, 1, 16, tzinfo=UTC)),
    errors.TokenSourceError("raised", reason="KeyError", location="app.py:1"),
    errors.SessionClosedError("closed"),
    errors.StoreError("down"),
    errors.JournalError("damaged"),
]
"""An error of every class that is raised."""

_POS = wxcv.Pos(wxcv.Point(1, 2), wxcv.Point(3, 2), wxcv.Point(3, 4), wxcv.Point(1, 4))
_SCAN = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "x", _POS),), wxcv.ImgSize(8, 9))
_PAGES = [
    getattr(wxcv, page["endpoint"]).read(page["answer"])
    for page in (json.loads(path.read_bytes()) for path in sorted((SAMPLES / "pages").glob("*.json")))
]


def _values_in(value: Any) -> Iterator[Value]:
    """Yield a value, and the values in it."""
    if isinstance(value, tuple):
        for one in value:
            yield from _values_in(one)
    elif isinstance(value, Value):
        yield value
        for field in attrs.fields(type(value)):
            yield from _values_in(getattr(value, field.name))


VALUES = [
    wxcv.SCAN_QRCODE,
    _SCAN,
    *(_SCAN.code_results[0], _POS, _POS.left_top, _SCAN.img_size),
    wxcv.PrintedText((wxcv.TextItem("line", _POS),)),
    wxcv.TextItem("line"),
    wxcv.ImageUrl("https://example.com/a.png"),
    wxcv.ImageBytes(b"x", content_type="image/png", name="a"),
    wxcv.Answered(index=0, item="a.png", image="a.png", answer=_SCAN, sends=1, elapsed=0.5),
    wxcv.Unanswered(index=1, item="b.png", image="b.png", status="failed", error=errors.ConnectError("down")),
    wxcv.CallStart("scan_qrcode", "/cv/img/qrcode"),
    wxcv.AttemptEvent("/cv/img/qrcode", 1, 200, 0, 5, 0.5, "https://api.weixin.qq.com"),
    wxcv.CallEvent("scan_qrcode", "ok", "cache", 0, 0.5, 0.0),
    wxcv.SessionStats(running=1, waiting=2, calls=3, sends=4, retries=0, refreshes=1, bytes_sent=5),
    wxcv.RetryPolicy(attempts=5),
    wxcv.Quota(100, 3, 97, wxcv.RateLimit(10, 60)),
    wxcv.RateLimit(10, 60),
    wxcv.FittedImage(b"x", "image/png", 0.5, (4, 3), (8, 6)),
    wxcv.JournalEntry(
        image="a.png",
        kind="path",
        label="a.png",
        size=5,
        digest="00",
        account="wx1",
        endpoint="/cv/img/qrcode",
        fields={},
        fit=False,
        status="ok",
        answer={},
        error=None,
        sends=1,
        source="wechat",
        ended_at=datetime(2026, 3, 1, 16, tzinfo=UTC),
    ),
    wxcv.Taken(3, 1_700_064_000.0),
    wxcv.Usage(3, 1_700_064_000.0),
    wxcv.DailyLimits({wxcv.PRINTED_TEXT: 100}, reset_hour=3),
    *itertools.chain.from_iterable(map(_values_in, _PAGES)),
]
"""A value of every public class of values that may be pickled."""
