"""`latency`: how close a batch comes to the least time that it can take.

Measured: the clock over 2,048 pictures of 20 KB, each answered after 200 ms, 64 at a time, divided by the
ideal 2,048 x 0.2 s / 64. Then the same with every hundredth answer ten times slower, ordered and as they
come; the wait for the last slow one is not in that ideal.
Baselines: aiohttp with FormData and a gather under a semaphore; for the ordered batch, the unordered one.
"""

from __future__ import annotations

import time

from benchmarks.baselines import clients
from benchmarks.cases.batches import drain, require_batch
from benchmarks.harness.core import CONCURRENCY, Case, Report, Settings
from benchmarks.harness.pictures import picture
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, expecting

ROUNDS = 3
CALLS, QUICK_CALLS = 2048, 512
SIZE, DELAY, SLOW_EVERY = 20_000, 0.2, 100
EVEN, UNEVEN = "even", "1 % slow"
BASELINE = "aiohttp FormData"
COLUMNS = {"ratio": "clock / ideal", "seconds": "clock, s"}


def _told(started: float, calls: int, share: float) -> dict[str, float]:
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "ratio": seconds / (calls * DELAY * share / CONCURRENCY)}


async def batch(base_url: str, calls: int, share: float, *, ordered: bool) -> dict[str, float]:
    """Measure a batch; `share` is the mean answer time over DELAY."""
    data = picture(SIZE)
    async with clients.session_of(base_url, CONCURRENCY) as session:
        await drain(session, [data] * CONCURRENCY, CONCURRENCY)
        with expecting(base_url, calls, SIZE):
            started = time.perf_counter()
            await drain(session, [data] * calls, calls, ordered=ordered)
            return _told(started, calls, share)


async def bare(base_url: str, calls: int, share: float) -> dict[str, float]:
    """Measure bare aiohttp."""
    data = picture(SIZE)
    async with clients.with_formdata(base_url, CONCURRENCY) as send:
        await clients.send_all(send, data, CONCURRENCY)
        with expecting(base_url, calls, SIZE):
            started = time.perf_counter()
            await clients.send_all(send, data, calls)
            return _told(started, calls, share)


def _cases(group: str, base_url: str, calls: int) -> list[Case]:
    share = 1.0 if group == EVEN else (SLOW_EVERY - 1 + 10) / SLOW_EVERY
    arguments = {"base_url": base_url, "calls": calls, "share": share}
    orders = {"wxcv batch": False, "wxcv batch, ordered": True}
    cases = [Case(who, batch, {**arguments, "ordered": is_so}, group) for who, is_so in orders.items()]
    return [*cases, Case(BASELINE, bare, arguments, group)]


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    require_batch()
    rounds, calls = settings.rounds_or(ROUNDS), settings.pick(CALLS, QUICK_CALLS)
    rows = []
    for group, slow_every in {EVEN: 0, UNEVEN: SLOW_EVERY}.items():
        with answering(delay=DELAY, slow_every=slow_every) as answerer:
            rows += rounds_of(_cases(group, answerer.base_url, calls), rounds)
    report = Report(f"{calls:,} answers after {DELAY:g} s, {CONCURRENCY} at a time", COLUMNS, BASELINE, rows)
    ours, theirs = report.row(EVEN, "wxcv batch"), report.row(EVEN, BASELINE)
    if ours and theirs:
        report.hold("clock / ideal", ours.median("ratio"), 1.06)
        beyond = ours.median("ratio") - theirs.median("ratio")
        report.hold("clock / ideal, beyond bare aiohttp's", beyond, 0.02, 0.005)
    ratio = report.ratio(UNEVEN, "wxcv batch, ordered", "wxcv batch")
    report.hold("1 % slow: ordered / unordered", ratio, 1.15)
    return [report]
