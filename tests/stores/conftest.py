"""Every test of what all stores do runs on each of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.redis_server import RedisServer
from support.stores import STORES, SharedFile, SharedMemory, SharedRedis, SharedStore

from wxcv.clock import end_of_day

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    import wxcv


def make_shared(name: str, folder: Path) -> SharedStore:
    """Make what stores share, by its name."""
    if name == "memory":
        return SharedMemory()
    return SharedFile(folder) if name == "sqlite" else SharedRedis(decode_responses=name == "redis-str")


@pytest.fixture(autouse=True)
def _wait_for_midnight() -> None:
    """Wait for the end of WeChat's day in its last minute: Redis and workers have the system's clock."""
    now = time.time()
    if end_of_day(now) - now < 60:
        time.sleep(end_of_day(now) - now)


@pytest.fixture(params=STORES)
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SharedStore]:
    """What the stores of a test share."""
    found = make_shared(request.param, tmp_path)
    await found.start()
    yield found
    await found.aclose()


@pytest.fixture
def store(shared: SharedStore) -> wxcv.Store:
    """A store."""
    return shared.open()


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    """A Redis of this test alone."""
    running = RedisServer()
    await running.start()
    yield running
    await running.aclose()


@pytest.fixture(params=[False, True], ids=["bytes", "str"])
async def redis(server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A client that gives bytes, or strings."""
    async with server.client(decode_responses=request.param) as client:
        yield client
