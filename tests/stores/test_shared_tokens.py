"""Tokens that processes share through a store: one fetches, the others use it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from support.accounts import SECRET
from support.redis_server import worker_command
from support.wechat import WeChat

import wxcv
from wxcv.clock import SystemClock
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.stores import SharedStore

    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request
    from wxcv.sandbox import Sandbox

NOW = 1_700_000_000.0
CLASSIC = wxcv.AppCredential("wx1", SECRET, stable=False)
STABLE = wxcv.AppCredential("wx1", SECRET)


@pytest.mark.parametrize("credential", [CLASSIC, STABLE], ids=["classic", "stable"])
async def test_a_second_process_adopts_the_token(shared: SharedStore, credential: wxcv.AppCredential) -> None:
    """A cache that finds a living token in the store uses it and asks for none."""
    wechat = WeChat()
    caches = [TokenManager(SystemClock(), shared.open()) for _ in range(3)]
    tokens = [await cache.get(credential, wechat.send) for cache in caches]

    assert len(set(tokens)) == 1
    assert wechat.tokens_issued == 1


async def test_a_refusal_reaches_the_other_processes(shared: SharedStore) -> None:
    """After a refusal one cache asks for a new token, and the other adopts it, also after its own refusal."""
    wechat = WeChat()
    refusal = wxcv.TokenRejectedError(40001, "no")
    one, other = (TokenManager(SystemClock(), shared.open()) for _ in range(2))
    for cache in (one, other):
        assert await cache.get(CLASSIC, wechat.send) == "T1"
    for cache in (one, other):
        cache.invalidate(CLASSIC, "T1", refusal)
        assert await cache.get(CLASSIC, wechat.send) == "T2"

    assert wechat.tokens_issued == 2


async def test_a_dead_stable_token_is_forced_once_by_all(shared: SharedStore) -> None:
    """Of two caches with the same dead stable token only one forces; the other adopts, or is told."""
    forced = 0

    async def send(request: Request) -> Response:
        nonlocal forced
        from wxcv.protocol.answers import Response

        assert request.body is not None
        forced += b'"force_refresh": true' in request.body.parts[0]
        return Response(200, {}, f'{{"access_token":"S{forced}","expires_in":7200}}'.encode())

    refusal = wxcv.TokenRejectedError(40001, "no")
    caches = [TokenManager(SystemClock(), shared.open()) for _ in range(2)]
    for cache in caches:
        assert await cache.get(STABLE, send) == "S0"
    for cache in caches:
        cache.invalidate(STABLE, "S0", refusal)
        assert await cache.get(STABLE, send) == "S1"

    assert forced == 1


async def test_one_process_asks_while_the_others_watch(shared: SharedStore) -> None:
    """Of five caches that need a classic token at once, one asks, and the others get what it stored."""
    wechat = WeChat()

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.3)
        return await wechat.send(request)

    caches = [TokenManager(SystemClock(), shared.open()) for _ in range(5)]
    tokens = await asyncio.gather(*(cache.get(CLASSIC, slow) for cache in caches))

    assert set(tokens) == {"T1"}
    assert wechat.tokens_issued == 1


async def test_a_newer_token_wins_over_a_late_one(shared: SharedStore) -> None:
    """If a newer token was stored while one was fetched, the newer one is used."""
    wechat = WeChat()
    store = shared.open()

    async def send(request: Request) -> Response:
        await store.save(CLASSIC.key, wxcv.StoredToken("newer", 7, time.time() + 500, 500.0))
        return await wechat.send(request)

    assert await TokenManager(SystemClock(), store).get(CLASSIC, send) == "newer"
    assert (await store.load(CLASSIC.key)).generation == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("moved", [-3600.0, 3600.0])
async def test_a_stored_end_is_checked_both_ways(shared: SharedStore, moved: float) -> None:
    """A token is not used beyond what either the writer's clock or Redis's own count allows."""
    clock = wxcv.ManualClock(wall=NOW + moved)
    wechat = WeChat()
    store = shared.open()
    await store.save(CLASSIC.key, wxcv.StoredToken("old", 1, NOW + 100, 100.0))
    cache = TokenManager(clock, store)
    first = await cache.get(CLASSIC, wechat.send)
    clock.advance(101)

    assert first == ("old" if moved < 0 else "T1")
    assert cache.get_nowait(CLASSIC, wechat.send) == (None if moved < 0 else "T1")


# --- several processes


@asynccontextmanager
async def worker(
    box: Sandbox, shared: SharedStore, *, tasks: int = 1, then: str = "go"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that is ready to ask; it is killed at the end."""
    words = (box.base_url, shared.address, box.appid, box.secret, str(tasks), then)
    process = await asyncio.create_subprocess_exec(
        *worker_command("token_worker.py", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert await line(process) == ["ready"]
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def go(process: asyncio.subprocess.Process) -> None:
    """Let it ask."""
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def line(process: asyncio.subprocess.Process) -> list[str]:
    """Read its next line."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        return (await process.stdout.readline()).decode().split()


async def result(process: asyncio.subprocess.Process) -> list[str]:
    """Read the tokens that its tasks got, past what it said before."""
    while (said := await line(process)) in (["fetched"], ["waiting"]):
        pass
    assert said[:1] == ["tokens"]
    return said[1:]


async def test_eight_processes_ask_once_when_the_token_has_ended(shared: SharedStore, box: Sandbox) -> None:
    """Eight processes with fifty tasks each, whose shared classic token has ended, ask for one new token."""
    ended = wxcv.StoredToken("ended", 3, time.time() - 1, 1.0)
    await shared.open().save(f"classic:{box.appid}", ended)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(worker(box, shared, tasks=50)) for _ in range(8)]
        for process in processes:
            go(process)
        tokens = [await result(process) for process in processes]

    assert box.tokens_issued["classic"] == 1
    assert all(token == tokens[0] and len(token) == 1 for token in tokens)


async def test_a_holder_that_is_killed_is_replaced_when_its_lease_ends(
    shared: SharedStore, box: Sandbox
) -> None:
    """If the lease's holder is killed before it stores its token, another asks after the lease, once."""
    async with worker(box, shared, then="hang") as dying, worker(box, shared) as waiting:
        go(dying)
        assert await line(dying) == ["fetched"]
        go(waiting)
        assert await line(waiting) == ["waiting"]
        dying.kill()
        await dying.wait()
        assert box.tokens_issued["classic"] == 1
        await shared.end_leases()

        assert len(await result(waiting)) == 1
    assert box.tokens_issued["classic"] == 2


async def test_a_holder_that_was_stopped_past_its_lease_does_not_overwrite(
    shared: SharedStore, box: Sandbox
) -> None:
    """If the lease's holder sleeps past its lease, its late token is refused, and it uses the newer one."""
    async with worker(box, shared, then="stop") as sleeping, worker(box, shared) as awake:
        go(sleeping)
        assert await line(sleeping) == ["fetched"]
        await asyncio.to_thread(os.waitid, os.P_PID, sleeping.pid, os.WSTOPPED | os.WNOWAIT)
        await shared.end_leases()
        go(awake)
        newer = await result(awake)
        os.kill(sleeping.pid, signal.SIGCONT)

        assert await result(sleeping) == newer
    assert box.tokens_issued["classic"] == 2
