"""Codes that can be read here are, in WeChat's words; all that is in doubt goes to WeChat."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from concurrent import futures
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw, ImageFilter
from support import pictures
from support.loops import run_by_set_clock

import wxcv
from wxcv.answer_sources.codes import read_codes
from wxcv.images.sources import check_image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import FrameType

    from wxcv.sandbox import Sandbox

QR = pictures.qr_png("https://example.com/1")
EAN = pictures.barcode_png("EAN13", "501234567890")


@pytest.fixture
async def reader() -> AsyncIterator[wxcv.LocalCodeReader]:
    """A reader that is closed after the test."""
    opened = wxcv.LocalCodeReader()
    yield opened
    await opened.aclose()


async def find(reader: wxcv.LocalCodeReader, data: bytes) -> wxcv.QrcodeScan | None:
    """Look for the codes of an upload."""
    return await reader.find(wxcv.SCAN_QRCODE, check_image(data, "a.png"), {})


def damaged(picture: bytes) -> bytes:
    """A code with a white stripe through its middle, so broad that nothing reads it."""
    canvas = pictures.opened(picture).convert("L")
    ImageDraw.Draw(canvas).rectangle((canvas.width * 0.4, 0, canvas.width * 0.6, canvas.height), fill=255)
    return pictures.to_bytes(canvas)


def spotted(picture: bytes) -> bytes:
    """A code with a black spot in its middle, so that it has too many errors."""
    canvas = pictures.opened(picture).convert("L")
    x, y = canvas.width / 2, canvas.height / 2
    ImageDraw.Draw(canvas).rectangle((x - 2, y - 2, x + 2, y + 2), fill=0)
    return pictures.to_bytes(canvas)


def blurred(picture: bytes, radius: float) -> bytes:
    """The picture out of focus."""
    return pictures.to_bytes(pictures.opened(picture).filter(ImageFilter.GaussianBlur(radius)))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("QRCode", "https://example.com/?a=1&b=2"),
        ("DataMatrix", "LOT/B12"),
        ("PDF417", "two\nlines"),
        ("EAN13", "501234567890"),
        ("EAN8", "1234567"),
        ("UPCA", "03600029145"),
        ("UPCE", "0123456"),
        ("Code128", "Code 128"),
    ],
)
async def test_a_code_is_read_as_the_sandbox_reads_it(
    reader: wxcv.LocalCodeReader, session: wxcv.Session, kind: str, text: str
) -> None:
    """Every accepted kind gives the same answer here as through a call: names, data, pos and img_size."""
    data = pictures.barcode_png(kind, text)

    assert await find(reader, data) == await session.scan_qrcode(data)


async def test_several_codes_are_read_together(reader: wxcv.LocalCodeReader, session: wxcv.Session) -> None:
    """All codes of a picture are in one answer, beside text and on a photo, and pos is for QR codes only."""
    text = pictures.text_png(["Deliver to Mr Example", "12 Long Street, Springfield"] * 4, size=24)
    column = pictures.column_png(QR, text, EAN)
    ground = Image.effect_noise((160, 120), 50).resize((1600, 1200), Image.Resampling.BICUBIC).convert("RGB")
    ground.paste(pictures.opened(QR).convert("RGB").resize((300, 300)), (900, 500))
    photo = pictures.to_bytes(ground, "JPEG", quality=85)
    found = await find(reader, column)

    assert found == await session.scan_qrcode(column)
    assert found is not None
    assert [(code.type_name, code.pos is None) for code in found.code_results] == [
        ("QR_CODE", False),
        ("EAN_13", True),
    ]
    assert await find(reader, photo) == await session.scan_qrcode(photo) is not None


@pytest.mark.parametrize(
    "data",
    [
        pictures.column_png(QR, damaged(pictures.qr_png("second code"))),
        pictures.column_png(QR, damaged(EAN)),
        pictures.column_png(EAN, damaged(pictures.barcode_png("DataMatrix", "a longer text", scale=6))),
        pictures.column_png(QR, spotted(pictures.barcode_png("DataMatrix", "abc", scale=1))),
        pictures.column_png(QR, pictures.barcode_png("Aztec", "other")),
        pictures.column_png(QR, pictures.barcode_png("Code39", "OTHER")),
        pictures.barcode_png("ITF", "12345678"),
        blurred(QR, 6),
        pictures.blank_png(),
        pictures.text_png(["no code"]),
        pictures.qr_png("中文".encode("gbk")),
        pictures.qr_png(b"\xff\xfe\x80\x81"),
        pictures.qr_png("tab\x1dgroup"),
        pictures.barcode_png("DataMatrix", "(10)AB(21)X", gs1=True),
        QR[: len(QR) // 2],
        b"\x89PNG\r\n\x1a\n" + bytes(50),
    ],
    ids=lambda _: "",
)
async def test_what_is_in_doubt_goes_to_wechat(reader: wxcv.LocalCodeReader, data: bytes) -> None:
    """A trace of another code, another kind, bytes that are no plain text, and no code at all give None."""
    assert await find(reader, data) is None


async def test_a_picture_is_not_judged_by_the_type_it_was_given(reader: wxcv.LocalCodeReader) -> None:
    """Bytes of any kind with any content type are looked at or left to WeChat, and never an error."""
    for data, is_read in ((QR, True), (b"\0\0\0\x18ftypheic" + bytes(50), False), (b"text", False)):
        image = check_image(data, "a.heic", "image/heic")
        assert (await reader.find(wxcv.SCAN_QRCODE, image, {}) is not None) is is_read


async def test_only_uploads_to_scan_qrcode_are_answered(reader: wxcv.LocalCodeReader) -> None:
    """Other pages, URLs, and calls with fields go to WeChat."""
    upload = check_image(QR, "a.png")

    assert await reader.find(wxcv.PRINTED_TEXT, upload, {}) is None
    assert await reader.find(wxcv.SCAN_QRCODE, wxcv.ImageUrl("https://example.com/a.png"), {}) is None
    assert await reader.find(wxcv.SCAN_QRCODE, upload, {"field": "x"}) is None


async def test_the_accepted_kinds_can_be_fewer() -> None:
    """With kinds, a picture with a code of another kind goes to WeChat."""
    reader = wxcv.LocalCodeReader(kinds=["QR_CODE"])

    assert await find(reader, QR) is not None
    assert await find(reader, EAN) is None
    assert await find(reader, pictures.column_png(QR, EAN)) is None
    await reader.aclose()


@pytest.mark.parametrize("kinds", ["QR_CODE", 5, None, [], ["CODE_39"], {"MARKED"}])
def test_unknown_kinds_are_refused(kinds: Any) -> None:
    """Kinds are a collection of the names that can be accepted."""
    with pytest.raises((TypeError, ValueError), match="kinds must be") as caught:
        wxcv.LocalCodeReader(kinds=kinds)
    assert "MARKED" not in str(caught.value)


def code_threads() -> list[threading.Thread]:
    """The threads that read codes now."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("wxcv code reader")]


async def test_pictures_are_read_in_two_threads_at_most(reader: wxcv.LocalCodeReader) -> None:
    """Twenty pictures at a time are read in two threads of the reader's, which end when it is closed."""
    found = await asyncio.gather(*(find(reader, QR) for _ in range(20)))

    assert all(scan == found[0] is not None for scan in found)
    assert 1 <= len(code_threads()) <= 2
    await reader.aclose()
    assert code_threads() == []
    await reader.aclose()
    with pytest.raises(RuntimeError, match="this LocalCodeReader is closed"):
        await find(reader, QR)


async def test_a_forgotten_reader_leaves_no_thread() -> None:
    """The threads of a reader that nothing refers to end by themselves."""
    reader = wxcv.LocalCodeReader()
    await find(reader, QR)
    threads = code_threads()
    del reader
    gc.collect()
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)

    assert threads
    assert code_threads() == []


async def test_a_cancelled_search_is_given_up() -> None:
    """A search that is cancelled ends at once, and the reader goes on."""
    reader = wxcv.LocalCodeReader()
    tasks = [asyncio.create_task(find(reader, QR)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[:49]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results[:49]] == [asyncio.CancelledError] * 49
    assert results[49] is not None
    await reader.aclose()


def test_a_search_does_not_wait_for_threads_that_are_kept() -> None:
    """A search ends without an answer after 2 s in which both threads finished nothing, and is dropped."""

    async def search() -> None:
        reader = wxcv.LocalCodeReader()
        go = threading.Event()
        kept = [reader._readers.submit(go.wait) for _ in range(2)]
        async with asyncio.timeout(60):
            assert await find(reader, QR) is None
        assert asyncio.get_running_loop().time() == 2
        await asyncio.sleep(0)
        go.set()
        await asyncio.to_thread(futures.wait, kept)
        await reader.aclose()
        assert reader._finished == 0

    run_by_set_clock(search())


def test_a_search_waits_for_threads_that_finish_pictures() -> None:
    """A search goes on waiting while other pictures are finished, but for 10 s at most."""

    async def search() -> None:
        loop = asyncio.get_running_loop()
        reader = wxcv.LocalCodeReader()
        go = threading.Event()
        kept = [reader._readers.submit(go.wait) for _ in range(2)]
        image = check_image(pictures.BLANK, "a.png")
        for second in range(1, 20, 2):
            loop.call_at(second, reader._read, image, threading.Event())
        async with asyncio.timeout(60):
            assert await find(reader, QR) is None
        assert loop.time() == 10
        go.set()
        await asyncio.to_thread(futures.wait, kept)
        await reader.aclose()

    run_by_set_clock(search())


def test_no_reading_begins_for_a_search_that_was_given_up() -> None:
    """Once nobody waits for the answer, a picture is not read another time."""
    asked = iter([False, True])
    kinds = {"QR_CODE"}

    assert read_codes("a.png", QR, kinds, lambda: False) is not None
    assert read_codes("a.png", QR, kinds, lambda: True) is None
    assert read_codes("a.png", QR, kinds, lambda: next(asked)) is None


async def test_the_picture_of_a_cancelled_search_is_read_no_further() -> None:
    """A thread that is reading when its caller leaves begins no other reading of that picture."""
    begun, go = threading.Event(), threading.Event()
    seen: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        function = frame.f_code.co_name
        if event == "call" and frame.f_globals.get("__name__") == read_codes.__module__:
            seen.append(function)
            if function == "_read":
                begun.set()
                go.wait(30)

    reader = wxcv.LocalCodeReader()
    threading.setprofile(note)
    try:
        search = asyncio.create_task(find(reader, QR))
        await asyncio.to_thread(begun.wait, 30)
    finally:
        threading.setprofile(None)
    search.cancel()
    await asyncio.gather(search, return_exceptions=True)
    go.set()
    await reader.aclose()

    assert seen.count("_read") == 1
    assert "_readings" not in seen


@pytest.mark.parametrize(("height", "is_read"), [(1600, True), (1601, False)])
async def test_pictures_of_more_than_4_megapixels_are_not_read(
    reader: wxcv.LocalCodeReader, height: int, *, is_read: bool
) -> None:
    """4,000,000 pixels are read, and of more the header alone."""
    canvas = Image.new("L", (2500, height), 255)
    canvas.paste(pictures.opened(QR), (100, 100))

    assert (await find(reader, pictures.to_bytes(canvas)) is not None) is is_read


def test_it_serves_several_event_loops() -> None:
    """One reader may be used by event loops one after another."""
    reader = wxcv.LocalCodeReader()
    assert [asyncio.run(find(reader, QR)) for _ in range(2)] == [asyncio.run(find(reader, QR))] * 2
    asyncio.run(reader.aclose())


def test_a_missing_extra_is_told_with_its_remedy() -> None:
    """Without zxing-cpp, LocalCodeReader is an ImportError with the command that installs it."""
    program = """
import sys, wxcv
sys.modules["zxingcpp"] = None
try:
    wxcv.LocalCodeReader()
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own

    assert done.stdout.strip() == (
        'LocalCodeReader needs zxing-cpp from the extra local: python -m pip install "wxcv[local]"'
    )


async def test_the_sandbox_agrees_about_a_turned_photo(reader: wxcv.LocalCodeReader, box: Sandbox) -> None:
    """An orientation tag is not followed: pos is in the pixels as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    column = pictures.opened(pictures.column_png(QR, pictures.blank_png(200, 100)))
    data = pictures.to_bytes(column, "JPEG", exif=exif, quality=95)
    async with wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url) as session:
        assert await find(reader, data) == await session.scan_qrcode(data)
