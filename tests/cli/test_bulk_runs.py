"""A bulk run that waits for quota and goes on, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import APP, QUICK
from support.servers import answer, api_server

import wxcv
from wxcv.cli.bulk_run import BulkRun
from wxcv.cli.feed import Feed
from wxcv.cli.names import Names
from wxcv.cli.waiting import QuotaWait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import web

Wait = tuple[wxcv.WxcvError, datetime] | None


class Metered:
    """Answers as many calls as are left, and refuses the others with an errcode."""

    def __init__(self, left: int, errcode: int) -> None:
        self.left = left
        self.refused = 0
        self._errcode = errcode

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        await request.read()
        self.left -= 1
        if self.left >= 0:
            return answer(errcode=0, code_results=[])
        self.refused += 1
        return answer(errcode=self._errcode, errmsg="scripted")


class Trial:
    """A bulk run against a server, and what it reported."""

    def __init__(self, server: Metered, clock: wxcv.ManualClock) -> None:
        self.server = server
        self.clock = clock
        self.outcomes: list[Any] = []
        self.waits: list[Wait] = []
        self.run: Any = None

    async def report(self, outcome: object) -> None:
        """Keep an outcome."""
        self.outcomes.append(outcome)

    async def move(self, done: Callable[[], bool], *, by: float = 30) -> None:
        """Move the clock on while the run waits for quota, until that is so."""
        while not done():
            await asyncio.sleep(0.001)
            if self.waits and self.waits[-1] is not None:
                self.clock.advance(by)

    @property
    def ends(self) -> list[datetime]:
        """When each wait was to end."""
        return [wait[1] for wait in self.waits if wait is not None]


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """The names of 20 different pictures."""
    paths = [tmp_path / f"{number:02}.png" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(pictures.qr_png(f"code {number}"))
    return [str(path) for path in paths]


@asynccontextmanager
async def running(
    tmp_path: Path, names: list[str], server: Metered, *, limit: int | None = None, is_waiting: bool = True
) -> AsyncIterator[Trial]:
    """Make a run of the names with four calls at a time."""
    clock = wxcv.ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp())
    trial = Trial(server, clock)
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, retries=QUICK, clock=clock, concurrency=4) as session,
        wxcv.Journal(tmp_path / "run.sqlite") as journal,
    ):
        trial.run = BulkRun(
            session,
            wxcv.SCAN_QRCODE,
            journal,
            Feed(Names(iter(names)), limit),
            trial.report,
            wait=QuotaWait(clock) if is_waiting else None,
            on_wait=trial.waits.append,
        )
        yield trial


def items(trial: Trial) -> list[str]:
    """Return the images with an answer, in order."""
    return sorted(outcome.item for outcome in trial.outcomes if outcome.status == "ok")


async def test_a_run_waits_until_the_quota_resets(tmp_path: Path, names: list[str]) -> None:
    """After 45009 the run waits until midnight in UTC+8, and every image gets its answer once."""
    async with running(tmp_path, names, Metered(7, 45009)) as trial:
        work = asyncio.create_task(trial.run.run())
        await trial.move(lambda: bool(trial.waits))
        trial.server.left = 100
        await trial.move(work.done, by=600)
        await work

    assert trial.ends == [datetime(2026, 11, 22, 16, 0, 2, tzinfo=UTC)]
    assert trial.waits[-1] is None
    assert items(trial) == names
    assert len(trial.outcomes) == len(names)
    assert trial.server.refused <= 4


async def test_where_no_reset_is_known_one_call_tries_every_15_minutes(
    tmp_path: Path, names: list[str]
) -> None:
    """After 101003 one call is made every 15 minutes, until it is answered; then all others are made."""
    async with running(tmp_path, names, Metered(7, 101003)) as trial:
        work = asyncio.create_task(trial.run.run())
        await trial.move(lambda: bool(trial.waits))
        before = trial.server.refused
        await trial.move(lambda: len(trial.ends) == 4)
        tried = trial.server.refused - before
        trial.server.left = 100
        await trial.move(work.done)
        await work
    pauses = [later - earlier for earlier, later in zip(trial.ends, trial.ends[1:], strict=False)]

    assert tried == 3
    assert items(trial) == names
    assert len(pauses) == 3
    assert all(timedelta(seconds=900) <= pause < timedelta(seconds=960) for pause in pauses)


async def test_a_reset_that_gave_no_quota_is_followed_by_trials(tmp_path: Path, names: list[str]) -> None:
    """If WeChat still refuses at the time of the reset, the next wait is 15 minutes, not another day."""
    async with running(tmp_path, names, Metered(0, 45009)) as trial:
        work = asyncio.create_task(trial.run.run())
        await trial.move(lambda: len(trial.ends) == 2)
        trial.server.left = 100
        await trial.move(work.done)
        await work

    assert trial.ends[1] - trial.ends[0] < timedelta(minutes=18)
    assert items(trial) == names


async def test_a_stop_ends_a_wait(tmp_path: Path, names: list[str]) -> None:
    """A run that is stopped while it waits ends at once, and its images are not given away."""
    async with running(tmp_path, names, Metered(7, 45009)) as trial:
        work = asyncio.create_task(trial.run.run())
        await trial.move(lambda: bool(trial.waits))
        trial.run.stop()
        await work

    assert len(trial.outcomes) == len(items(trial)) == 7
    assert isinstance(trial.run.stopped_by, wxcv.QuotaExhaustedError)


async def test_without_a_wait_the_rest_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    """Without a wait the used-up quota ends the run: images that were not begun are not even looked at."""
    async with running(tmp_path, names, Metered(7, 45009), is_waiting=False) as trial:
        await trial.run.run()

    assert len(items(trial)) == 7
    assert len(trial.outcomes) < len(names)


async def test_a_limit_counts_what_is_sent(tmp_path: Path, names: list[str]) -> None:
    """A limit of three sends three images, and the next run three others; refused files do not count."""
    (tmp_path / "bad.png").write_text("no image")
    counts = []
    for _ in range(2):
        server = Metered(100, 0)
        async with running(tmp_path, [str(tmp_path / "bad.png"), *names], server, limit=3) as trial:
            await trial.run.run()
        counts.append((100 - server.left, len(items(trial))))

    assert counts == [(3, 3), (3, 6)]
