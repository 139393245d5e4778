"""`files`: pictures on disk, through a batch and through two loops that a user would write.

Measured: microseconds of CPU (all threads) and of the clock for each picture of 20 KB, 200 KB and 1.9 MB, in
files that the system has in memory, at concurrency 64.
Baselines, both a gather of all files under a semaphore: aiohttp with FormData of the open file (1.00), which
reads it in threads; and aiohttp with FormData of its bytes, read in the event loop, which stands still
meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.baselines.clients import PATH, said, session_of
from benchmarks.cases.batches import drain, require_batch
from benchmarks.cases.upload import COLUMNS, by_group, on_uvloop
from benchmarks.harness import pictures
from benchmarks.harness.answerer import DATA, TOKEN
from benchmarks.harness.core import CONCURRENCY, Case, Report, Settings, require
from benchmarks.harness.meter import Meter
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, expecting

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS = 5
FILES = 64
CALLS = {"20 KB": 4096, "200 KB": 2048, "1.9 MB": 512}
OPEN, READ = "FormData, open file", "FormData, bytes read"
MUST = {OPEN: (0.75, 0.65), READ: (1.25, 1.05)}


async def batch(base_url: str, paths: Sequence[str], size: int, calls: int) -> dict[str, float]:
    """Measure wxcv's batch."""
    async with session_of(base_url, CONCURRENCY) as session:
        await drain(session, _many(paths, 2 * CONCURRENCY), 2 * CONCURRENCY)
        with expecting(base_url, calls, size), Meter() as meter:
            await drain(session, _many(paths, calls), calls)
    return meter.per_call(calls)


async def loop(
    base_url: str, paths: Sequence[str], size: int, calls: int, *, is_read: bool
) -> dict[str, float]:
    """Measure a loop as a user would write it."""
    free = asyncio.Semaphore(CONCURRENCY)

    async def send(path: Path) -> str:
        async with free:
            with path.open("rb") as file:
                form = aiohttp.FormData()
                content = file.read() if is_read else file
                form.add_field("img", content, filename="image.jpg", content_type="image/jpeg")
                async with http.post(PATH, params={"access_token": TOKEN}, data=form) as response:
                    return said(json.loads(await response.read()))

    async def send_all(count: int) -> None:
        answers = await asyncio.gather(*map(send, _many(paths, count)))
        require(is_true=answers == [DATA] * count, otherwise="an answer says something else than the picture")

    async with aiohttp.ClientSession(base_url) as http:
        await send_all(2 * CONCURRENCY)
        with expecting(base_url, calls, size), Meter() as meter:
            await send_all(calls)
    return meter.per_call(calls)


def _many(paths: Sequence[str], count: int) -> list[Path]:
    return list(islice(cycle(map(Path, paths)), count))


def _cases(settings: Settings, base_url: str, folder: str) -> list[Case]:
    cases = []
    for group, size in pictures.SIZES.items():
        inner = Path(folder, str(size))
        inner.mkdir()
        calls = settings.pick(CALLS[group], CALLS[group] // 4)
        paths = pictures.files(str(inner), FILES, size)
        arguments = {"base_url": base_url, "paths": paths, "size": size, "calls": calls}
        cases.append(Case("wxcv batch", batch, arguments, group))
        cases += [Case(who, loop, {**arguments, "is_read": who == READ}, group) for who in (OPEN, READ)]
    return cases


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    require_batch()
    with tempfile.TemporaryDirectory() as folder, answering() as answerer:
        cases = _cases(settings, answerer.base_url, folder)
        rows = rounds_of(cases, settings.rounds_or(ROUNDS, 2))
        rows += rounds_of(on_uvloop(cases), settings.rounds_or(3))
    report = Report(f"files, {CONCURRENCY} at a time", COLUMNS, OPEN, by_group(rows))
    for other, (must, aim) in MUST.items():
        ratio = report.ratio("200 KB", "wxcv batch", other)
        report.hold(f"wxcv batch / {other}, 200 KB, CPU", ratio, must, aim)
    return [report]
