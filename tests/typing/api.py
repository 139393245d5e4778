"""Checked by mypy and never run: what the public names give."""

from __future__ import annotations

import io
from pathlib import Path
from typing import assert_type

import wxcv


async def calls(session: wxcv.Session) -> None:
    """The answer's type follows from the endpoint."""
    scan = await session.scan_qrcode("a.jpg")
    page = await session.printed_text(b"...")
    assert_type(scan, wxcv.QrcodeScan)
    assert_type(page, wxcv.PrintedText)
    assert_type(await session.call(wxcv.SCAN_QRCODE, Path("a.jpg")), wxcv.QrcodeScan)
    assert_type(await session.call(wxcv.PRINTED_TEXT, io.BytesIO()), wxcv.PrintedText)
    assert_type(scan.code_results, tuple[wxcv.CodeResult, ...])
    assert_type(scan.code_results[0].pos, wxcv.Pos | None)
    assert_type(page.text, str)


async def images(session: wxcv.Session) -> None:
    """All kinds of image are accepted."""
    await session.scan_qrcode(bytearray(1))
    await session.scan_qrcode(memoryview(b""))
    await session.scan_qrcode(wxcv.ImageUrl("https://example.com/a.jpg"))
    await session.scan_qrcode(wxcv.ImageBytes(b"", content_type="image/heic"))
    await session.scan_qrcode(Path("a.jpg").open("rb"))  # noqa: SIM115, ASYNC230 - never run


async def make() -> None:
    """A session is its own context manager."""
    async with wxcv.Session(wxcv.AppCredential("wx", "s"), on_send=print) as session:
        assert_type(session, wxcv.Session)
    assert_type(wxcv.Session.from_env(), wxcv.Session)


def errors(error: wxcv.WxcvError) -> None:
    """Every error has its three fields, and each class its own."""
    assert_type(error.retryable, bool)
    assert_type(error.sends, int)
    assert_type(error.elapsed, float)
    if isinstance(error, wxcv.APIError):
        assert_type(error.errcode, int)
        assert_type(error.rid, str | None)
