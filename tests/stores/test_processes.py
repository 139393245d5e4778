"""A limit that processes share, when they run at once, are killed, or have wrong clocks."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from support.redis_server import worker_command
from support.stores import SharedRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.stores import SharedStore

MANY = 1_000_000_000


@asynccontextmanager
async def worker(
    shared: SharedStore, limit: int, calls: int, at_a_time: int = 8, wrong_by: float = 0.0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that is ready to take calls; it is killed at the end."""
    words = (shared.address, str(limit), str(calls), str(at_a_time), str(wrong_by))
    process = await asyncio.create_subprocess_exec(
        *worker_command("store_worker.py", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def go(process: asyncio.subprocess.Process) -> None:
    """Let it take calls."""
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def lines(process: asyncio.subprocess.Process) -> list[list[str]]:
    """Return the words of all complete lines that it has printed till its end."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        text = (await process.stdout.read()).decode()
    return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]


async def test_three_processes_share_a_limit_to_the_last_call(shared: SharedStore) -> None:
    """Three processes that try 500 calls at once get each of the 100 numbers once, and no other."""
    async with (
        worker(shared, 100, 167) as one,
        worker(shared, 100, 167) as two,
        worker(shared, 100, 166) as three,
    ):
        for process in (one, two, three):
            go(process)
        taken = [words for process in (one, two, three) for words in await lines(process)]

    assert sorted(int(number) for number, _ in taken) == list(range(1, 101))


async def test_a_killed_process_leaves_no_call_to_be_taken_twice(shared: SharedStore) -> None:
    """When processes are killed, no number is had twice, and only what was in flight is lost."""
    taken: list[int] = []
    for _ in range(5):
        async with (
            worker(shared, MANY, MANY) as dying,  # it cannot be done before it is killed
            worker(shared, MANY, 100) as other,
        ):
            go(dying)
            go(other)
            assert dying.stdout is not None
            taken += [int((await dying.stdout.readline()).split()[0]) for _ in range(40)]
            dying.kill()
            taken += [int(number) for number, _ in await lines(dying)]
            taken += [int(number) for number, _ in await lines(other)]
    usage = await shared.open().load_usage("k")

    assert len(set(taken)) == len(taken)
    assert max(taken) <= usage.count <= len(taken) + 5 * 9


async def test_machines_with_wrong_clocks_agree_on_the_day() -> None:
    """Processes whose clocks are six hours apart share one limit in Redis, and its day."""
    shared = SharedRedis(decode_responses=False)
    await shared.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(shared.aclose)
        fast = await stack.enter_async_context(worker(shared, 10, 10, wrong_by=3 * 3600))
        slow = await stack.enter_async_context(worker(shared, 10, 10, wrong_by=-3 * 3600))
        go(fast)
        go(slow)
        taken = [*await lines(fast), *await lines(slow)]
        usage = await shared.open().load_usage("k")

    assert sorted(int(number) for number, _ in taken) == list(range(1, 11))
    assert {float(resets_at) for _, resets_at in taken} == {usage.resets_at}
