"""`upload`: what it costs to send bytes, wxcv beside what a user would write by hand.

Measured: microseconds of CPU (user and system, all threads) and of the clock for each call, for pictures of
20 KB, 200 KB and 1.9 MB at concurrency 64 against an answerer that answers at once.

Baselines: aiohttp with FormData under a semaphore (1.00), aiohttp with a payload of three parts (the least
that aiohttp costs), httpx, requests in threads, wechatpy in threads, and asyncio streams with nothing else as
the limit. wxcv has its default settings but for the concurrency, and sends pictures of 20 KB through a batch
too. The event-loop clients run on uvloop too, as information.
"""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import wxcv
from benchmarks.baselines import clients, threads
from benchmarks.harness.answerer import DATA
from benchmarks.harness.core import CONCURRENCY, Case, Report, Row, Settings, installed, require
from benchmarks.harness.meter import Meter
from benchmarks.harness.pictures import SIZES, picture
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, expecting

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUNDS = 5
CALLS = {"20 KB": 4096, "200 KB": 2048, "1.9 MB": 512}
SLOW = {"httpx": "httpx", "requests, threads": "requests", "wechatpy, threads": "wechatpy"}
"""Clients that get an eighth of the calls, and the modules they need."""

BASELINE, BARE, BATCH = "aiohttp FormData", "aiohttp payload", "wxcv batch"
MUST = {"20 KB": (0.80, 0.72), "200 KB": (0.74, 0.66), "1.9 MB": (0.98, 0.92)}
COLUMNS = {"cpu_us": "CPU, us a call", "wall_us": "clock, us a call"}


async def on_loop(client: str, base_url: str, control: str, size: int, calls: int) -> dict[str, float]:
    """Measure a client on an event loop; connections and token are had before."""
    data = picture(size)
    async with clients.CLIENTS[client](base_url, CONCURRENCY) as send:
        await clients.send_all(send, data, 2 * CONCURRENCY)
        with expecting(control, calls, size), Meter() as meter:
            await clients.send_all(send, data, calls)
    return meter.per_call(calls)


async def in_batch(base_url: str, size: int, calls: int) -> dict[str, float]:
    """Measure a batch of wxcv's; the same."""
    data = picture(size)
    async with clients.session_of(base_url, CONCURRENCY) as session:
        await _send_batch(session, data, 2 * CONCURRENCY)
        with expecting(base_url, calls, size), Meter() as meter:
            await _send_batch(session, data, calls)
    return meter.per_call(calls)


async def _send_batch(session: wxcv.Session, data: bytes, calls: int) -> None:
    async with session.batch(wxcv.SCAN_QRCODE, [data] * calls) as outcomes:
        answers = [outcome.unwrap().code_results[0].data async for outcome in outcomes]
    require(is_true=answers == [DATA] * calls, otherwise="an answer says something else than the picture")


def in_threads(client: str, base_url: str, control: str, size: int, calls: int) -> dict[str, float]:
    """Measure a client in threads; the same."""
    data = picture(size)
    send = threads.CLIENTS[client](base_url, CONCURRENCY)
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        threads.send_all(pool, send, data, 2 * CONCURRENCY)
        with expecting(control, calls, size), Meter() as meter:
            threads.send_all(pool, send, data, calls)
    return meter.per_call(calls)


def cases(settings: Settings, who: Iterable[str], base_url: str, control: str) -> list[Case]:
    """Make the cases of all sizes for these clients."""
    made = []
    for group, size in SIZES.items():
        for client in who:
            calls = CALLS[group] // (8 if client in SLOW else 1) // settings.pick(1, 4)
            arguments = {"client": client, "base_url": base_url, "control": control}
            work = in_threads if client in threads.CLIENTS else on_loop
            made.append(Case(client, work, arguments | {"size": size, "calls": calls}, group))
    return made


def on_uvloop(some: Iterable[Case]) -> list[Case]:
    """Return the same cases on uvloop, where it is installed, but those that have no event loop."""
    if not installed(["uvloop"]):
        return []
    return [
        replace(case, who=f"{case.who}, uvloop", loop="uvloop")
        for case in some
        if inspect.iscoroutinefunction(case.work)
    ]


def by_group(rows: Iterable[Row]) -> list[Row]:
    """Put the rows of a size together."""
    order = list(SIZES)
    return sorted(rows, key=lambda row: order.index(row.group))


def _hold(report: Report) -> None:
    for group, (must, aim) in MUST.items():
        report.hold(f"wxcv / {BASELINE}, {group}, CPU", report.ratio(group, "wxcv", BASELINE), must, aim)
    ours, bare = report.row("20 KB", "wxcv"), report.row("20 KB", BARE)
    own = ours.median("cpu_us") - bare.median("cpu_us") if ours and bare else None
    report.hold("wxcv over the payload, 20 KB, us of CPU", own, 22, 12)
    batch = report.row("20 KB", BATCH)
    more = batch.median("cpu_us") - ours.median("cpu_us") if batch and ours else None
    report.hold("a batch over single calls, 20 KB, us of CPU", more, 10)
    ratio = report.ratio("20 KB", "wxcv", "wechatpy, threads")
    report.hold("wxcv / wechatpy in threads, 20 KB, CPU", ratio, 0.25, 0.21)


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    missing = {client for client, module in SLOW.items() if not installed([module])}
    who = [name for name in (*clients.CLIENTS, *threads.CLIENTS) if name not in missing]
    with answering() as answerer:
        plain = cases(settings, who, answerer.base_url, answerer.base_url)
        numbers = {"size": SIZES["20 KB"], "calls": CALLS["20 KB"] // settings.pick(1, 4)}
        plain.insert(1, Case(BATCH, in_batch, {"base_url": answerer.base_url, **numbers}, "20 KB"))
        rows = rounds_of(plain, settings.rounds_or(ROUNDS, 2))
        rows += rounds_of(on_uvloop(plain), settings.rounds_or(3))
    report = Report(f"upload, {CONCURRENCY} at a time", COLUMNS, BASELINE, by_group(rows))
    report.notes += [f"not installed: {name}" for name in sorted(missing)]
    _hold(report)
    return [report]
