"""JournalReader, and what is forgotten."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.journals import ANSWER, make_file, make_image, process, read_entries, start_run

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

REJECTED = wxcv.ImageRejectedError(101002, "bad", rid="1-2-3")
URL = "https://example.com/scans/a.png?key=1"


async def make_journal(path: Path, folder: Path, clock: Any = None) -> None:
    """Make a journal with an image of every kind, and one that failed at another endpoint."""
    async with wxcv.Journal(path, clock=clock) as journal:
        run = start_run(journal)
        for name in ("b.png", "a.png"):
            await process(run, make_file(folder, name, name.encode()))
        await process(run, wxcv.ImageUrl(URL))
        await process(run, make_image(b"bytes").data)
        await process(start_run(journal, wxcv.IDCARD), make_image(b"bad").data, REJECTED)


async def test_entries_have_what_was_recorded(path: Path, tmp_path: Path) -> None:
    """In the order of endpoints and names, with times in UTC."""
    await make_journal(path, tmp_path, wxcv.ManualClock(wall=1_700_000_000.0))
    entries = await read_entries(path)

    found = [(entry.endpoint, entry.kind, entry.image, entry.status, entry.sends) for entry in entries]
    assert found == [
        (wxcv.SCAN_QRCODE.path, "bytes", "name", "ok", 1),
        (wxcv.SCAN_QRCODE.path, "path", str(tmp_path / "a.png"), "ok", 1),
        (wxcv.SCAN_QRCODE.path, "path", str(tmp_path / "b.png"), "ok", 1),
        (wxcv.SCAN_QRCODE.path, "url", URL, "ok", 1),
        (wxcv.IDCARD.path, "bytes", "name", "failed", 1),
    ]
    assert {entry.ended_at for entry in entries} == {datetime.fromtimestamp(1_700_000_000, UTC)}
    assert [entry.label for entry in entries if entry.kind == "url"] == ["https://example.com/scans/a.png"]
    (error,) = [entry.error for entry in entries if entry.error]
    assert (error["type"], error["errcode"], error["rid"]) == ("ImageRejectedError", 101002, "1-2-3")
    assert error["message"] == REJECTED.args[0]


async def test_entries_can_be_chosen(path: Path, tmp_path: Path) -> None:
    """By status, by endpoint, or by both."""
    await make_journal(path, tmp_path)

    assert len(await read_entries(path, status="ok")) == 4
    assert len(await read_entries(path, endpoint=wxcv.IDCARD.path)) == 1
    assert len(await read_entries(path, status="ok", endpoint=wxcv.IDCARD.path)) == 0


async def test_a_long_journal_is_read_in_pages(path: Path) -> None:
    """Every image is there once, more than a page of them, and while others are being recorded."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        for endpoint in (wxcv.SCAN_QRCODE, wxcv.IDCARD):
            run = start_run(journal, endpoint)
            for start in range(0, 1200, 100):
                numbers = range(start, start + 100)
                await asyncio.gather(*(process(run, make_image(b"%d" % number).data) for number in numbers))
        entries = await read_entries(path)

    assert len(entries) == len({(entry.endpoint, entry.digest) for entry in entries}) == 2400


async def test_a_reader_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    """A journal that is closed is one file, before and after it was read, and not changed by a byte."""
    await make_journal(path, tmp_path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    await read_entries(path)

    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file.name for file in tmp_path.glob("run.sqlite*")] == ["run.sqlite"]


def test_a_reader_is_used_in_a_block(path: Path) -> None:
    """Outside of it there is nothing to read."""
    reader = wxcv.JournalReader(path)
    with pytest.raises(wxcv.JournalError, match="the journal's reader is not open; use it in a with block"):
        next(reader.entries())


def test_a_reader_that_is_opened_again_has_no_old_warning(path: Path) -> None:
    """The warning is about the file as it is now."""
    asyncio.run(_make_empty(path))
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    reader = wxcv.JournalReader(path)
    with reader:
        assert "the file is damaged" in (reader.warning or "")
    path.write_bytes(whole)
    with reader:
        assert reader.warning is None


async def _make_empty(path: Path) -> None:
    """Make a journal without entries."""
    async with wxcv.Journal(path):
        pass


# --- forgetting


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("a.png", {"b.png", "name", "a.png?key=1"}),
        ("*.png", {"name"}),  # as the URL is shown without its query
        ("*.png?*", {"a.png", "b.png", "name"}),
        ("*/b.*", {"a.png", "name", "a.png?key=1"}),
        ("https://example.com/*", {"a.png", "b.png", "name"}),
        ("name", {"a.png", "b.png", "a.png?key=1"}),
        ("*", set()),
        ("nothing", {"a.png", "b.png", "name", "a.png?key=1"}),
    ],
)
async def test_what_matches_is_forgotten(path: Path, tmp_path: Path, pattern: str, left: set[str]) -> None:
    """A pattern is matched with the whole name, its last part and the label; the result says how many."""
    await make_journal(path, tmp_path)
    before = await read_entries(path)
    async with wxcv.Journal(path) as journal:
        deleted = await journal.forget(pattern)
    entries = await read_entries(path)

    assert {entry.image.rpartition("/")[2] for entry in entries} == left
    assert deleted == (len(before) - len(entries),) * 2


async def test_a_path_is_forgotten_as_it_was_given(path: Path, tmp_path: Path) -> None:
    """A relative path is shown as it was given, and that is what people write."""
    (tmp_path / "in").mkdir()
    image = os.path.relpath(make_file(tmp_path / "in"))
    async with wxcv.Journal(path) as journal:
        record = await start_run(journal).look_up(image)
        await record.find(make_image())
        await record.save_call("ok", ANSWER, None, 1, "wechat")

        assert await journal.forget("in/*") == (0, 0)
        assert await journal.forget(image.replace("a.png", "*")) == (1, 1)


async def test_each_result_that_is_forgotten_counts(path: Path, tmp_path: Path) -> None:
    """An image has a result at each endpoint, and images with the same bytes have one each."""
    async with wxcv.Journal(path) as journal:
        for endpoint in (wxcv.SCAN_QRCODE, wxcv.IDCARD):
            for name in ("a.png", "b.png", "c.png"):
                await process(start_run(journal, endpoint), make_file(tmp_path, name))

        assert await journal.forget("[ab].png") == (2, 4)
        assert await journal.forget("*") == (1, 2)


async def test_no_trace_is_left_of_what_was_forgotten(path: Path, tmp_path: Path) -> None:
    """Neither name nor answer is in the file or its log, also while the journal is open and read."""
    text = "MARKED" * 2000
    scan = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", text, None),), wxcv.ImgSize(1, 2))
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        for number in range(50):
            image = make_file(tmp_path, f"secret-{number}.png", b"%d" % number)
            await process(run, image, scan)
        await process(run, make_image(b"other").data)
        # Builds of SQLite differ in whether they leave what is deleted where it is.
        await run.write(lambda connection: connection.execute("PRAGMA secure_delete=OFF").fetchall())
        assert await journal.forget("secret-*") == (50, 50)
        found = b"".join(file.read_bytes() for file in tmp_path.glob("run.sqlite*"))
        await process(run, make_image(b"another").data)

    assert b"MARKED" not in found
    assert b"secret-" not in found
    assert len(await read_entries(path)) == 2


async def test_equal_bytes_keep_their_answer(path: Path, tmp_path: Path) -> None:
    """The answer stays as long as another image has the same bytes."""
    async with wxcv.Journal(path, clock=wxcv.ManualClock(time.time() + 10)) as journal:
        run = start_run(journal)
        for name in ("a.png", "b.png"):
            await process(run, make_file(tmp_path, name))
        await journal.forget("a.png")

        assert (await start_run(journal).look_up(tmp_path / "a.png")).known is None
        known = (await start_run(journal).look_up(tmp_path / "b.png")).known
        assert known is not None
        assert known.answer == ANSWER


@pytest.mark.parametrize("pattern", ["", 5, None])
async def test_a_pattern_is_a_text(path: Path, pattern: Any) -> None:
    """Anything else is refused before the file is touched."""
    async with wxcv.Journal(path) as journal:
        with pytest.raises((TypeError, ValueError), match="pattern must"):
            await journal.forget(pattern)
