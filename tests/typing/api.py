"""Checked by mypy and never run: what the public names give."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import wxcv
from wxcv.integrations.session_totals import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wxcv.integrations.opentelemetry import Telemetry
    from wxcv.integrations.prometheus import SessionMetrics


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
    assert_type(page.rows, tuple[str, ...])


async def pages(session: wxcv.Session) -> None:
    """Every page has its answer class, as a method and as an Endpoint."""
    assert_type(await session.ai_crop("a.jpg", [1, 2.35]), wxcv.Crops)
    assert_type(await session.superresolution("a.jpg"), wxcv.Superresolution)
    assert_type(await session.idcard("a.jpg", "scan"), wxcv.Idcard)
    assert_type(await session.bankcard("a.jpg"), wxcv.Bankcard)
    assert_type(await session.vehicle_license("a.jpg"), wxcv.VehicleLicense)
    assert_type(await session.driver_license("a.jpg"), wxcv.DriverLicense)
    assert_type(await session.business_license("a.jpg"), wxcv.BusinessLicense)
    assert_type(await session.menu("a.jpg"), wxcv.Menu)
    assert_type((await session.call(wxcv.PLATE_NUMBER, "a.jpg")).number, str | None)
    async with session.batch(wxcv.IDCARD, [Path("a.jpg")], fields={"type": "scan"}) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome.unwrap(), wxcv.Idcard)


async def images(session: wxcv.Session) -> None:
    """All kinds of image are accepted."""
    await session.scan_qrcode(bytearray(1))
    await session.scan_qrcode(memoryview(b""))
    await session.scan_qrcode(wxcv.ImageUrl("https://example.com/a.jpg"))
    await session.scan_qrcode(wxcv.ImageBytes(b"", content_type="image/heic"))
    await session.scan_qrcode(Path("a.jpg").open("rb"))  # noqa: SIM115, ASYNC230 - never run


async def fitting_and_sources(image: wxcv.LocalImage) -> None:
    """What fit takes and gives, and that a source's answer follows from the endpoint."""
    assert_type(wxcv.fit(Path("a.jpg"), limit=1_000_000), wxcv.FittedImage)
    wxcv.fit(io.BytesIO())
    wxcv.fit(wxcv.ImageBytes(b""))
    source: wxcv.AnswerSource = wxcv.LocalCodeReader()
    assert_type(await source.find(wxcv.SCAN_QRCODE, image, {}), wxcv.QrcodeScan | None)


@dataclass
class Message:
    """A message of a queue."""

    body: bytes


async def batches(session: wxcv.Session, messages: AsyncIterator[Message]) -> None:
    """Items keep their type, and the status tells whether there is an answer."""
    async with session.batch(wxcv.SCAN_QRCODE, messages, key=lambda message: message.body) as outcomes:
        assert_type(outcomes, wxcv.Batch[Message, wxcv.QrcodeScan])
        async for outcome in outcomes:
            assert_type(outcome.item, Message)
            assert_type(outcome.unwrap(), wxcv.QrcodeScan)
            if outcome.status == "ok":
                assert_type(outcome.answer, wxcv.QrcodeScan)
            else:
                assert_type(outcome.error, wxcv.WxcvError)
    images: list[Path | bytes] = [Path("a.png"), b"..."]
    assert_type(
        session.batch(wxcv.PRINTED_TEXT, [Path("a.png"), b"..."]), wxcv.Batch[wxcv.Image, wxcv.PrintedText]
    )
    async for reading in session.batch(wxcv.PRINTED_TEXT, images, ordered=True):
        assert_type(reading, wxcv.Outcome[Path | bytes, wxcv.PrintedText])
        match reading:
            case wxcv.Answered(answer=page):
                assert_type(page, wxcv.PrintedText)
            case wxcv.Unanswered(error=error):
                assert_type(error, wxcv.WxcvError)
    assert_type(session.stats(), wxcv.SessionStats)
    assert_type(await session.quota(wxcv.PRINTED_TEXT), wxcv.Quota)
    assert_type(await session.usage(wxcv.PRINTED_TEXT), wxcv.Usage)


async def make() -> None:
    """A session is its own context manager."""
    async with wxcv.Session(wxcv.AppCredential("wx", "s"), on_attempt=print) as session:
        assert_type(session, wxcv.Session)
    assert_type(wxcv.Session.from_env(concurrency=2, proxy=None), wxcv.Session)
    assert_type(wxcv.Session.from_env(fallback_urls=wxcv.FALLBACK_URLS), wxcv.Session)


async def watch(telemetry: Telemetry, metrics: SessionMetrics) -> None:
    """What integrations pass to a session fits."""
    async with wxcv.Session(wxcv.AppCredential("wx", "s"), **telemetry.hooks) as session:
        assert_type(telemetry.watch(session), Watch)
    with metrics.watch(wxcv.Session.from_env(**metrics.hooks), "web") as watched:
        assert_type(watched, Watch)


async def stores(redis: wxcv.RedisStore, path: Path) -> None:
    """Every store is all three of the Protocols."""
    assert_type(wxcv.RedisStore.from_url("redis://h"), wxcv.RedisStore)
    both: list[wxcv.Store] = [redis, wxcv.SQLiteStore(path)]
    tokens: wxcv.TokenStore = both[0]
    counters: wxcv.CounterStore = both[1]
    answers: wxcv.AnswerStore = both[1]
    wxcv.TokenCache(tokens)
    assert_type(await counters.take("k", 1), wxcv.Taken)
    assert_type(await counters.load_usage("k"), wxcv.Usage)
    assert_type(await answers.find_answer("k"), str | None)


def errors(error: wxcv.WxcvError) -> None:
    """Every error has its three fields, and each class its own."""
    assert_type(error.retryable, bool)
    assert_type(error.sends, int)
    assert_type(error.elapsed, float)
    if isinstance(error, wxcv.APIError):
        assert_type(error.errcode, int)
        assert_type(error.rid, str | None)
