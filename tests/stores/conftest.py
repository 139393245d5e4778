"""Fixtures of the tests of stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


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
