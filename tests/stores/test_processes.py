"""Processes that share a Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from support.redis_server import RedisServer, worker_command

import wxcv

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox


async def worker(
    box: Sandbox, server: RedisServer, *, tasks: int = 1, lease: float = 12.0, then: str = "go"
) -> asyncio.subprocess.Process:
    """Start a process that is ready to ask."""
    words = (box.base_url, server.path, box.appid, box.secret, str(tasks), str(lease), then)
    process = await asyncio.create_subprocess_exec(
        *worker_command("token_worker.py", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


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
    """Read the token that its tasks got, past what it said before."""
    while (said := await line(process)) == ["fetched"]:
        pass
    await process.wait()
    return said[1:]


async def test_eight_processes_ask_once_when_the_token_has_ended(server: RedisServer, box: Sandbox) -> None:
    """Eight processes with fifty tasks each, whose shared classic token has ended, ask for one new token."""
    async with server.client() as redis:
        ended = wxcv.StoredToken("ended", 3, time.time() - 1, 1.0)
        await wxcv.RedisStore(redis).save(f"classic:{box.appid}", ended)
    processes = [await worker(box, server, tasks=50) for _ in range(8)]
    for process in processes:
        go(process)
    tokens = [await result(process) for process in processes]

    assert box.tokens_issued["classic"] == 1
    assert all(token == tokens[0] and len(token) == 1 for token in tokens)


async def test_a_holder_that_is_killed_is_replaced_when_its_lease_ends(
    server: RedisServer, box: Sandbox
) -> None:
    """If the lease's holder is killed before it stores its token, another asks after the lease, once."""
    dying = await worker(box, server, lease=0.5, then="hang")
    go(dying)
    assert await line(dying) == ["fetched"]
    waiting = await worker(box, server, lease=0.5)
    go(waiting)
    dying.kill()
    await dying.wait()

    assert len(await result(waiting)) == 1
    assert box.tokens_issued["classic"] == 2


async def test_a_holder_that_was_stopped_past_its_lease_does_not_overwrite(
    server: RedisServer, box: Sandbox
) -> None:
    """If the lease's holder sleeps past its lease, its late token is refused, and it uses the newer one."""
    sleeping = await worker(box, server, lease=0.5, then="pause")
    go(sleeping)
    assert await line(sleeping) == ["fetched"]
    os.kill(sleeping.pid, signal.SIGSTOP)
    awake = await worker(box, server, lease=0.5)
    go(awake)
    newer = await result(awake)
    os.kill(sleeping.pid, signal.SIGCONT)

    assert await result(sleeping) == newer
    assert box.tokens_issued["classic"] == 2
