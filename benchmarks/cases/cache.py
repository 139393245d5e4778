"""`cache`: what an answer costs that is kept, and what keeping costs an image that is sent.

Measured: microseconds of CPU (user and system, all threads) and of the clock for each call, for pictures of
20 KB, 200 KB and 1.9 MB at concurrency 64 against an answerer that answers at once:

- kept: the answer is in the AnswerCache; the image is hashed and nothing sent.
- new: an AnswerCache has room for one answer, so that every image is hashed, sent and kept.

Baselines: wxcv without a cache, which sends every image (1.00); SHA-256 alone, as the limit of "kept".
"""

from __future__ import annotations

import asyncio
import hashlib
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import wxcv
from benchmarks.baselines.clients import said
from benchmarks.harness.core import CONCURRENCY, Case, Report, Settings, require
from benchmarks.harness.meter import Meter
from benchmarks.harness.pictures import SIZES, picture
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, expecting

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUNDS = 5
CALLS = {"20 KB": 4096, "200 KB": 2048, "1.9 MB": 512}
SENT, KEPT, NEW, HASH = "no cache", "kept", "new", "sha256"
IMAGES = 3 * CONCURRENCY
"""Different images that are called in turn; so many that none is called again while it is being sent."""

COLUMNS = {"cpu_us": "CPU, us a call", "wall_us": "clock, us a call"}
MUST = {KEPT: {"20 KB": 0.6, "200 KB": 2.0, "1.9 MB": 3.0}, NEW: {"20 KB": 2.2, "200 KB": 2.6, "1.9 MB": 3.5}}


async def send_all(session: wxcv.Session, images: Iterable[bytes]) -> None:
    """Call all images, CONCURRENCY at a time, and check the answers."""
    left = iter(images)

    async def work() -> None:
        for image in left:
            said((await session.scan_qrcode(image)).to_dict())

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def measure(who: str, base_url: str, size: int, calls: int) -> dict[str, float]:
    """Measure calls with or without a cache; connections and token are had before."""
    images = [picture(size, seed) for seed in range(IMAGES)]
    cache: Any = {KEPT: wxcv.AnswerCache(), NEW: wxcv.AnswerCache(maxsize=1)}.get(who)
    async with wxcv.Session(
        wxcv.AppCredential("wx1", "secret"),
        base_url=base_url,
        concurrency=CONCURRENCY,
        answer_sources=[] if cache is None else [cache],
    ) as session:
        await send_all(session, images)
        before = session.stats().sends
        with expecting(base_url, 0 if who == KEPT else calls, size), Meter() as meter:
            await send_all(session, islice(cycle(images), calls))
        sends = session.stats().sends - before
    require(is_true=sends == (0 if who == KEPT else calls), otherwise=f"{sends} sends")
    return meter.per_call(calls)


def hash_all(size: int, calls: int) -> dict[str, float]:
    """Measure the hash alone."""
    images = [picture(size, seed) for seed in range(IMAGES)]
    with Meter() as meter:
        for image in islice(cycle(images), calls):
            hashlib.sha256(image).hexdigest()
    return meter.per_call(calls)


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    with answering() as answerer:
        urls = {"base_url": answerer.base_url}
        cases = []
        for group, size in SIZES.items():
            numbers = {"size": size, "calls": CALLS[group] // settings.pick(1, 4)}
            cases += [Case(who, measure, {"who": who, **urls, **numbers}, group) for who in (KEPT, NEW, SENT)]
            cases.append(Case(HASH, hash_all, numbers, group))
        rows = rounds_of(cases, settings.rounds_or(ROUNDS, 2))
    report = Report("answers that are kept", COLUMNS, SENT, rows)
    for who, bounds in MUST.items():
        for group, must in bounds.items():
            report.hold(f"{who} / {SENT}, {group}", report.ratio(group, who, SENT), must)
    return [report]
