"""`tokens`: many callers and one token.

Measured, against what a user would write, with a token endpoint that answers after 0.2 s:

- cold: 1,000 callers at once without a token: token requests, and when the last one has it. Baseline: a token
  that is kept, without a lock.
- cancel: 16,000 callers wait for a token and are cancelled: the longest stall of the event loop in ms.
  Baselines: `asyncio.shield` on one shared task; and, as the limit, a future each and nothing else.
- fail: 50 callers wait while the endpoint fails, with HTTP status 503 (which wxcv tries again) or errcode
  40125: token requests, and when the last one has its error. Baseline: a lock around the request.
- redis: 8 processes of 50 tasks on one real Redis, classic tokens: tokens made, and how long after it was
  stored the last task has it. Baseline: redis-py's Lock around "is there one, else ask and set it".
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp

import wxcv
from benchmarks.baselines.clients import session_of
from benchmarks.cases import redis_tokens
from benchmarks.harness.core import Case, MissingError, Report, Row, Settings, require
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Get = Callable[[], Awaitable[object]]

ROUNDS = 3
COLD, CANCELLED, FAILING = 1_000, 16_000, 50
SECONDS = 0.2  # of a token request
_FAULTS = {"fail, 503": 503, "fail, 40125": 40125}


class AskError(Exception):
    """A baseline got no token."""


async def _ask(http: aiohttp.ClientSession) -> str:
    async with http.post("/cgi-bin/stable_token", json={"grant_type": "client_credential"}) as response:
        answer = json.loads(await response.read())
    if "access_token" not in answer:
        raise AskError(str(answer))
    token: str = answer["access_token"]
    return token


@asynccontextmanager
async def with_wxcv(base_url: str) -> AsyncIterator[Get]:
    """wxcv's session.token()."""
    async with session_of(base_url, 64) as session:
        yield session.token


@asynccontextmanager
async def with_no_lock(base_url: str) -> AsyncIterator[Get]:
    """A token that is kept, and asked for by whoever finds none."""
    kept: list[str] = []
    async with aiohttp.ClientSession(base_url) as http:

        async def get() -> str:
            if not kept:
                kept.append(await _ask(http))
            return kept[0]

        yield get


@asynccontextmanager
async def with_lock(base_url: str) -> AsyncIterator[Get]:
    """The same under a lock."""
    kept: list[str] = []
    lock = asyncio.Lock()
    async with aiohttp.ClientSession(base_url) as http:

        async def get() -> str:
            async with lock:
                if not kept:
                    kept.append(await _ask(http))
            return kept[0]

        yield get


@asynccontextmanager
async def with_shield(base_url: str) -> AsyncIterator[Get]:
    """One task for all, shielded from each."""
    async with aiohttp.ClientSession(base_url) as http:
        task = asyncio.create_task(_ask(http))
        yield lambda: asyncio.shield(task)
        task.cancel()


@asynccontextmanager
async def with_future(_base_url: str) -> AsyncIterator[Get]:
    """A future for each, which nobody ever sets."""
    loop = asyncio.get_running_loop()

    async def get() -> None:
        await loop.create_future()

    yield get


GETTERS = {
    "wxcv": with_wxcv,
    "no lock": with_no_lock,
    "lock": with_lock,
    "shield": with_shield,
    "a future each": with_future,
}
_ERRORS = {AskError, wxcv.ProtocolError, wxcv.CredentialRejectedError}


async def gather(who: str, base_url: str, callers: int, *, fails: bool) -> dict[str, float]:
    """Let all callers ask at once; tell how many token requests came, and when the last caller was told."""
    before = len(counts(base_url)["moments"])
    async with GETTERS[who](base_url) as get:
        started = time.perf_counter()
        told = await asyncio.gather(*(get() for _ in range(callers)), return_exceptions=True)
        seconds = time.perf_counter() - started
    kinds = {type(one) for one in told}
    is_right = kinds <= (_ERRORS if fails else {str, wxcv.AccessToken})
    require(is_true=is_right, otherwise=f"{who} gave {kinds}")
    return {"requests": len(counts(base_url)["moments"]) - before, "seconds": seconds}


async def cancel(who: str, base_url: str, callers: int) -> dict[str, float]:
    """Let all callers wait, then cancel them; tell the longest time in which the loop did nothing else."""
    async with GETTERS[who](base_url) as get:
        tasks = [asyncio.ensure_future(get()) for _ in range(callers)]
        await asyncio.sleep(0.05)
        require(is_true=not any(task.done() for task in tasks), otherwise="a caller did not wait")
        watch = asyncio.create_task(_longest_stall())
        await asyncio.sleep(0)
        started = time.perf_counter()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        seconds = time.perf_counter() - started
        watch.cancel()
        require(is_true=all(task.cancelled() for task in tasks), otherwise="a caller was not cancelled")
        return {"stall_ms": await watch * 1000, "seconds": seconds}


async def _longest_stall() -> float:
    """Turn with the event loop until cancelled; return the longest turn in seconds."""
    longest, last = 0.0, time.perf_counter()
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    return longest


def _in_one_process(settings: Settings) -> list[Row]:
    rounds = settings.rounds_or(ROUNDS)
    rows = []
    for group, fault in {"cold": 0, **_FAULTS}.items():
        with answering(token_delay=SECONDS, token_fault=fault) as answerer:
            arguments: dict[str, Any] = {"base_url": answerer.base_url, "fails": bool(fault)}
            arguments["callers"] = settings.pick(FAILING, FAILING // 5) if fault else COLD
            who = ("wxcv", "lock" if fault else "no lock")
            cases = [Case(one, gather, {"who": one, **arguments}, group) for one in who]
            rows += rounds_of(cases, rounds)
    with answering(token_delay=5.0) as answerer:  # longer than it takes to make 16,000 callers wait
        arguments = {"base_url": answerer.base_url, "callers": CANCELLED}
        waiters = ("wxcv", "shield", "a future each")
        cases = [Case(one, cancel, {"who": one, **arguments}, "cancel") for one in waiters]
        rows += rounds_of(cases, rounds)
    return rows


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    rows = _in_one_process(settings)
    columns = {
        "requests": "token requests",
        "seconds": "last caller told, s",
        "stall_ms": "longest stall, ms",
    }
    alone = Report("one process", columns, "", rows)
    wxcv_of = {row.group: row for row in rows if row.who == "wxcv"}
    alone.hold("cold: token requests", wxcv_of["cold"].median("requests"), 1)
    alone.hold("cancel: longest stall, ms", wxcv_of["cancel"].median("stall_ms"), 50)
    alone.hold("fail, 503: token requests", wxcv_of["fail, 503"].median("requests"), 3)
    alone.hold("fail, 40125: token requests", wxcv_of["fail, 40125"].median("requests"), 1)
    alone.hold("fail, 40125: last error, s", wxcv_of["fail, 40125"].median("seconds"), 0.3)
    try:
        together = redis_tokens.report(settings)
    except MissingError as missing:
        alone.notes.append(f"redis: not run: {missing}")
        return [alone]
    return [alone, together]
