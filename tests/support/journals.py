"""What the tests of the journal share."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import wxcv
from wxcv.images.sources import LocalImage

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.journal.records import JournalRecord
    from wxcv.journal.runs import JournalRun

ANSWER = wxcv.QrcodeScan((), wxcv.ImgSize(8, 9))
PNG = b"\x89PNG\r\n\x1a\n"


def start_run(journal: wxcv.Journal, endpoint: Any = wxcv.SCAN_QRCODE, **changes: Any) -> JournalRun:
    """Start a run as a batch does."""
    settings: dict[str, Any] = {"account": "wx1", "fields": {}, "fit": False, "local_files": True}
    settings |= {"at_most_once": False, "concurrency": 8}
    return journal.start_run(endpoint, **(settings | changes))


def make_image(data: bytes = b"", name: str = "a.png") -> LocalImage:
    """Return an image as the loader does."""
    return LocalImage(name, PNG + data, "image/png")


def make_file(folder: Path, name: str = "a.png", data: bytes = b"", *, age: float = 100.0) -> Path:
    """Make the file of an image that is so many seconds old; its ctime cannot be set."""
    path = folder / name
    path.write_bytes(PNG + data)
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))
    return path


async def process(run: JournalRun, image: Any, answer: Any = ANSWER) -> JournalRecord:
    """Do with an image what a batch does whose call has this answer, or error."""
    record = await run.look_up(image)
    if record.known is None:
        data = image.read_bytes() if hasattr(image, "read_bytes") else image
        loaded = image if isinstance(image, wxcv.ImageUrl) else LocalImage("name", data, "image/png")
        if await record.find(loaded) is not None:
            await record.save_input()
        else:
            await record.begin()
            is_error = isinstance(answer, wxcv.WxcvError)
            result = ("failed", None, answer) if is_error else ("ok", answer, None)
            await record.save_call(*result, 1, None if is_error else "wechat")
    return record


async def read_entries(path: Path, **filters: Any) -> list[wxcv.JournalEntry]:
    """Return what a reader sees, in a thread, as it blocks."""

    def read() -> list[wxcv.JournalEntry]:
        with wxcv.JournalReader(path) as reader:
            assert reader.warning is None
            return list(reader.entries(**filters))

    return await asyncio.to_thread(read)
