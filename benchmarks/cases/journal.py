"""`journal`: what it costs a batch to record its outcomes, and how fast a finished run is resumed.

Measured, all in files and with journals in the folder for temporary files, which must be on a disk:

- pace: pictures of 20 KB per second in a batch, 8 at a time, each answered after 20 ms or at once, with a
  journal and without (1.00).
- resume: with 100,000 small pictures, the seconds to the first and to the last outcome, and the peak memory
  above that of a run without pictures; in the run that sends them, and in one that finds all of them in the
  journal and sends nothing.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import wxcv
from benchmarks.baselines.clients import session_of
from benchmarks.cases.batches import drain
from benchmarks.harness.core import Case, Goal, MissingError, Report, Row, Settings
from benchmarks.harness.meter import MB, Meter, peak, require_memory
from benchmarks.harness.pictures import picture
from benchmarks.harness.runner import rounds_of, run_case
from benchmarks.harness.serving import answering, expecting

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
CONCURRENCY = 8
DELAYS = {"after 20 ms": 0.02, "at once": 0.0}
SIZE, CALLS, QUICK_CALLS = 20_000, 4_000, 1_000
SMALL, COUNT, QUICK_COUNT = 200, 100_000, 5_000
WITH, WITHOUT = "with a journal", "without"
SETTLED = 3.0  # seconds after which the age of a file shows that it is unchanged
MUST = 0.85


def write_files(folder: str, count: int, size: int) -> None:
    """Write ``count`` different pictures, and wait until their age shows that they are unchanged."""
    for path, number in zip(paths_in(folder, count), range(count), strict=True):
        Path(path).write_bytes(picture(size, number))
    time.sleep(SETTLED)


def paths_in(folder: str, count: int) -> Iterator[str]:
    """Return the paths of the pictures, one by one."""
    return (f"{folder}/{number:06}.jpg" for number in range(count))


async def pace(base_url: str, folder: str, calls: int, *, is_journaled: bool) -> dict[str, float]:
    """Measure a batch, after connections are open and the token is fetched."""
    with tempfile.TemporaryDirectory() as place:
        async with (
            wxcv.Journal(Path(place, "run.sqlite")) as journal,
            session_of(base_url, CONCURRENCY) as session,
        ):
            await drain(session, [picture(SIZE)] * 2 * CONCURRENCY, 2 * CONCURRENCY)
            used = journal if is_journaled else None
            with expecting(base_url, calls, SIZE), Meter() as meter:
                await drain(session, paths_in(folder, calls), calls, journal=used)
    return {"rate": calls / meter.wall, **meter.per_call(calls)}


async def run_through(
    base_url: str, folder: str, journal_path: str, count: int, sent: int
) -> dict[str, float]:
    """Run a batch of ``count`` pictures, of which ``sent`` are sent and the journal knows the others."""
    first_at: list[float] = []

    def seen(number: int) -> None:
        if number == 1:
            first_at.append(time.perf_counter())

    async with wxcv.Journal(journal_path) as journal, session_of(base_url, CONCURRENCY) as session:
        with expecting(base_url, sent, SMALL):
            started = time.perf_counter()
            await drain(session, paths_in(folder, count), count, journal=journal, seen=seen)
    numbers = {"seconds": time.perf_counter() - started, "peak": peak() / MB}
    return numbers | ({"first": first_at[0] - started} if first_at else {})


def _pace(settings: Settings) -> Report:
    calls, rows = settings.pick(CALLS, QUICK_CALLS), []
    with tempfile.TemporaryDirectory() as folder:
        write_files(folder, calls, SIZE)
        for group, delay in DELAYS.items():
            with answering(delay=delay) as answerer:
                arguments = {"base_url": answerer.base_url, "folder": folder, "calls": calls}
                cases = [
                    Case(who, pace, {**arguments, "is_journaled": who == WITH}, group)
                    for who in (WITH, WITHOUT)
                ]
                rows += rounds_of(cases, settings.rounds_or(ROUNDS, 2))
    columns = {"rate": "images a second", "cpu_us": "CPU, us an image"}
    report = Report(f"files of 20 KB, {CONCURRENCY} at a time", columns, WITHOUT, rows)
    group = next(iter(DELAYS))
    ratio = report.ratio(group, WITH, WITHOUT)
    if ratio is not None:
        name = f"images a second, {WITH} / {WITHOUT}, {group}"
        report.goals.append(Goal(name, ratio, MUST, is_higher_better=True))
    return report


def _resume(settings: Settings) -> Report:
    count = settings.pick(COUNT, QUICK_COUNT)
    runs = {"no pictures": (0, 0), "all sent": (count, count), "none sent": (count, 0)}
    rows = {who: Row(f"{count:,}", who) for who in runs}
    with tempfile.TemporaryDirectory() as folder, answering() as answerer:
        write_files(folder, count, SMALL)
        for _ in range(settings.rounds or 1):
            with tempfile.TemporaryDirectory() as place:
                urls = {"base_url": answerer.base_url, "folder": folder}
                arguments = {**urls, "journal_path": str(Path(place, "run.sqlite"))}
                for who, (number, sent) in runs.items():
                    numbers = {"count": number, "sent": sent}
                    rows[who].add(run_case(Case(who, run_through, {**arguments, **numbers}, f"{number:,}")))
    return _report_resume(list(rows.values()))


def _report_resume(rows: list[Row]) -> Report:
    empty, sent, resumed = rows
    columns = {"seconds": "all, s", "first": "first outcome, s", "peak": "peak, MB"}
    report = Report(f"pictures of {SMALL} bytes, {CONCURRENCY} at a time", columns, "", rows)
    report.hold("none sent, s", resumed.median("seconds"), 20)
    for row in (sent, resumed):
        report.hold(f"{row.who}, first outcome, s", row.median("first"), 2)
        more = row.median("peak") - empty.median("peak")
        report.hold(f"{row.who}, peak over that of no pictures, MB", more, 64)
    return report


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    if not hasattr(wxcv, "Journal"):
        raise MissingError("needs wxcv.Journal")
    require_memory()
    return [_pace(settings), _resume(settings)]
