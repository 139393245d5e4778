"""`memory`: what any number of pictures takes, and what the largest ones take at a time.

Measured, by what the system says is resident:

- growth: in MB from the 1,000th to the last outcome of a batch of 1,000, 10,000 and 100,000 files of 20 KB
  (of 1,000, from the first); and after how many seconds the first outcome came. Every index must come exactly
  once.
- peak: in MB above the process as it was before, of 64 at a time of files of 1.9 MB to a peer that reads 2 MB
  a second from each connection. Baseline: aiohttp with FormData of bytes, gather under a semaphore.
"""

from __future__ import annotations

import gc
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.baselines.clients import session_of
from benchmarks.cases import files
from benchmarks.cases.batches import drain, require_batch
from benchmarks.harness.core import CONCURRENCY, Case, Report, Settings
from benchmarks.harness.meter import MB, peak, require_memory, resident
from benchmarks.harness.pictures import files as write_files, picture
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, expecting

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL, LARGE = 20_000, 1_900_000
COUNTS, QUICK_COUNTS = (1_000, 10_000, 100_000), (1_000, 10_000)
FROM = 1_000  # outcomes after which growth counts
LARGE_CALLS, READ_RATE = 256, 2_000_000
PEAK_ROUNDS = 3


async def growth(base_url: str, paths: Sequence[str], count: int) -> dict[str, float]:
    """Send so many pictures, and watch how memory grows."""
    begin = FROM if count > FROM else 1
    at: dict[int, tuple[float, int]] = {}

    def seen(number: int) -> None:
        if number in {1, begin, count}:
            at[number] = time.perf_counter(), resident()

    async with session_of(base_url, CONCURRENCY) as session:
        with expecting(base_url, count, SMALL):
            started = time.perf_counter()
            await drain(session, islice(cycle(map(Path, paths)), count), count, seen=seen)
    return {
        "mb": (at[count][1] - at[begin][1]) / MB,
        "first": at[1][0] - started,
        "seconds": at[count][0] - started,
    }


async def peak_of_batch(base_url: str, paths: Sequence[str], count: int) -> dict[str, float]:
    """Send large pictures through a batch, slowly, and see the most memory."""
    async with session_of(base_url, CONCURRENCY) as session:
        await session.scan_qrcode(picture(SMALL))
        before = _settled()
        with expecting(base_url, count, LARGE):
            await drain(session, islice(cycle(map(Path, paths)), count), count)
    return {"mb": (peak() - before) / MB, "whole": peak() / MB}


async def peak_of_loop(base_url: str, paths: Sequence[str], count: int) -> dict[str, float]:
    """Send them by a loop as a user would write it."""
    before = _settled()
    await files.loop(base_url, paths, LARGE, count, is_read=True)
    return {"mb": (peak() - before) / MB, "whole": peak() / MB}


def _settled() -> int:
    gc.collect()
    return resident()


def _growth(settings: Settings) -> Report:
    with tempfile.TemporaryDirectory() as folder, answering() as answerer:
        paths = write_files(folder, 64, SMALL)
        cases = [
            Case(
                "wxcv batch",
                growth,
                {"base_url": answerer.base_url, "paths": paths, "count": count},
                f"{count:,}",
            )
            for count in settings.pick(COUNTS, QUICK_COUNTS)
        ]
        rows = rounds_of(cases, settings.rounds or 1)
    columns = {"mb": "growth, MB", "first": "first outcome, s", "seconds": "all, s"}
    report = Report("growth over a batch of files of 20 KB", columns, "", rows)
    for row in rows[-1:]:
        report.hold(f"growth from 1,000 to {row.group}, MB", row.median("mb"), 8, 2)
        report.hold(f"first outcome of {row.group}, s", row.median("first"), 2)
    return report


def _peak(settings: Settings) -> Report:
    with tempfile.TemporaryDirectory() as folder, answering(read_rate=READ_RATE) as answerer:
        count = settings.pick(LARGE_CALLS, LARGE_CALLS // 2)
        paths = write_files(folder, 16, LARGE)
        arguments = {"base_url": answerer.base_url, "paths": paths, "count": count}
        cases = [
            Case("wxcv batch", peak_of_batch, arguments, "peak"),
            Case("aiohttp FormData", peak_of_loop, arguments, "peak"),
        ]
        rows = rounds_of(cases, settings.rounds_or(PEAK_ROUNDS))
    columns = {"mb": "peak above before, MB", "whole": "peak, MB"}
    report = Report(
        f"peak of {CONCURRENCY} files of 1.9 MB to a slow reader", columns, "aiohttp FormData", rows
    )
    pictures = CONCURRENCY * LARGE / MB
    report.hold("peak above before, MB", rows[0].median("mb"), pictures * 1.15 + 20, pictures + 12)
    return report


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    require_batch()
    require_memory()
    return [_growth(settings), _peak(settings)]
