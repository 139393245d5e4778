"""`rotation`: a token that lives 2 s, under load.

Measured: 32 tasks that call one after another for some seconds; each call is answered after 20 ms, each token
request after 200 ms, and a new token is handed out in the last second of the old one, as the stable endpoint
does in its last 300 s. Failed calls; token requests for each new token; median and p99 in ms of the calls
that were under way during a token request, and of the others.
Baseline: aiohttp with FormData, a kept token, and a lock around asking for the next one 0.5 s before its end.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

import wxcv
from benchmarks.baselines.clients import PATH, said, session_of
from benchmarks.harness.answerer import DATA
from benchmarks.harness.core import Case, Report, Settings, require
from benchmarks.harness.pictures import picture
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering, counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Send = Callable[[bytes], Awaitable[str]]

ROUNDS = 3
TASKS = 32
SIZE = 20_000
LIFE, DELAY, TOKEN_DELAY = 2.0, 0.02, 0.2
MARGIN = 0.5
SECONDS, QUICK_SECONDS = 15.0, 6.0
COLUMNS = {
    "failed": "failed calls",
    "asked": "requests a rotation",
    "straddling": "p99 during one, ms",
    "others": "p99 of others, ms",
    "ratio": "ratio of p99",
    "p50": "p50 during one, ms",
    "p50_others": "p50 of others, ms",
    "rotations": "rotations",
    "calls": "calls",
}


class RefusedError(Exception):
    """The baseline was refused."""


@asynccontextmanager
async def with_wxcv(base_url: str) -> AsyncIterator[Send]:
    """wxcv's scan_qrcode."""
    async with session_of(base_url, TASKS) as session:

        async def send(data: bytes) -> str:
            return (await session.scan_qrcode(data)).code_results[0].data

        yield send


@asynccontextmanager
async def with_lock(base_url: str) -> AsyncIterator[Send]:
    """aiohttp, and a token under a lock."""
    lock = asyncio.Lock()
    token, ends = "", 0.0

    async def refresh(http: aiohttp.ClientSession) -> None:
        nonlocal token, ends
        async with lock:
            if time.monotonic() < ends - MARGIN:
                return
            asked_at = time.monotonic()
            async with http.post("/cgi-bin/stable_token", json={}) as response:
                answer = json.loads(await response.read())
            token, ends = answer["access_token"], asked_at + answer["expires_in"]

    async with aiohttp.ClientSession(base_url) as http:

        async def send(data: bytes) -> str:
            if time.monotonic() >= ends - MARGIN:
                await refresh(http)
            form = aiohttp.FormData()
            form.add_field("img", data, filename="image.jpg", content_type="image/jpeg")
            async with http.post(PATH, params={"access_token": token}, data=form) as response:
                answer = json.loads(await response.read())
            if answer["errcode"]:
                raise RefusedError(answer["errmsg"])
            return said(answer)

        yield send


CLIENTS = {"wxcv": with_wxcv, "aiohttp, lock": with_lock}


async def _caller(send: Send, until: float, calls: list[tuple[float, float]]) -> int:
    """Call one after another; note when each began and ended, and return how many failed."""
    data, failed = picture(SIZE), 0
    while (began := time.monotonic()) < until:
        try:
            answer = await send(data)
        except (wxcv.WxcvError, RefusedError):
            failed += 1
        else:
            require(is_true=answer == DATA, otherwise="an answer says something else than the picture")
        calls.append((began, time.monotonic()))
    return failed


async def measure(who: str, base_url: str, seconds: float) -> dict[str, float]:
    """Call under load for some seconds, after a first second that does not count."""
    calls: list[tuple[float, float]] = []
    async with CLIENTS[who](base_url) as send:
        await asyncio.gather(*(_caller(send, time.monotonic() + 1, []) for _ in range(TASKS)))
        before = counts(base_url)
        until = time.monotonic() + seconds
        failed = sum(await asyncio.gather(*(_caller(send, until, calls) for _ in range(TASKS))))
        after = counts(base_url)
    moments = after["moments"][len(before["moments"]) :]
    tokens = after["tokens"] - before["tokens"]
    require(is_true=tokens > 0, otherwise="no token ended meanwhile")
    return {"failed": failed, "asked": len(moments) / tokens, "rotations": tokens} | _times(calls, moments)


def _times(calls: list[tuple[float, float]], moments: list[tuple[float, float]]) -> dict[str, float]:
    during: list[float] = []
    others: list[float] = []
    for began, ended in calls:
        is_during = any(began <= answered and ended >= asked for asked, answered in moments)
        (during if is_during else others).append((ended - began) * 1000)
    straddling, plain = (statistics.quantiles(some, n=100)[98] for some in (during, others))
    return {
        "straddling": straddling,
        "others": plain,
        "ratio": straddling / plain,
        "p50": statistics.median(during),
        "p50_others": statistics.median(others),
        "calls": len(calls),
    }


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    seconds = settings.pick(SECONDS, QUICK_SECONDS)
    with answering(delay=DELAY, token_delay=TOKEN_DELAY, token_life=LIFE) as answerer:
        arguments = {"base_url": answerer.base_url, "seconds": seconds}
        cases = [Case(who, measure, {"who": who, **arguments}, "rotation") for who in CLIENTS]
        rows = rounds_of(cases, settings.rounds_or(ROUNDS))
    report = Report(f"a token that lives {LIFE:g} s, {TASKS} tasks", COLUMNS, "", rows)
    ours = rows[0]
    report.hold("failed calls, in all rounds", sum(ours.numbers["failed"]), 0)
    report.hold("token requests a rotation", ours.median("asked"), 1)
    report.hold("p99 of straddling / other calls", ours.median("ratio"), 1.2, 1.05)
    return [report]
