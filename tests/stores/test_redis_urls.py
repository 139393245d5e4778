"""Stores with a Redis client of their own, from a URL, and of the caller's."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

import wxcv

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from support.redis_server import RedisServer


NOW = 1_700_000_000.0
TOKEN = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)


async def own_store(server: RedisServer, prefix: str = "wxcv") -> wxcv.RedisStore:
    """Make a store with a client of its own, in a thread as redis-py reads its version from a file."""
    return await asyncio.to_thread(wxcv.RedisStore.from_url, f"unix://{server.path}", prefix=prefix)


async def test_a_store_of_a_url_has_a_client_of_its_own(server: RedisServer, redis: Redis) -> None:
    """from_url shares what other stores share, aclose closes its connections, and the next use opens them."""
    async with await own_store(server, prefix="shop") as store:
        await store.save_refresh_token("k", "R1")
        assert await wxcv.RedisStore(redis, prefix="shop").load_refresh_token("k") == "R1"
        opened = len(await redis.client_list())
    async with asyncio.timeout(20):
        while len(await redis.client_list()) != opened - 1:  # Redis reads the end of a connection when it can
            await asyncio.sleep(0)
    assert await store.load_refresh_token("k") == "R1"
    await store.aclose()


async def test_a_borrowed_client_stays_open(redis: Redis) -> None:
    """aclose of a store with the caller's client closes nothing."""
    async with wxcv.RedisStore(redis) as store:
        await store.save_refresh_token("k", "R1")
    before = await redis.client_list()
    await store.aclose()

    assert [one["id"] for one in await redis.client_list()] == [one["id"] for one in before]


async def test_a_store_of_a_url_closes_when_its_redis_is_gone(server: RedisServer) -> None:
    """aclose raises nothing after the server has ended, nor before the first use."""
    async with await own_store(server):
        pass
    async with await own_store(server) as store:
        await store.load_refresh_token("k")
        await server.stop()
        with pytest.raises(wxcv.StoreError):
            await store.load_refresh_token("k")


async def test_the_password_of_a_url_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the store nor its errors show the URL."""
    caplog.set_level(logging.DEBUG)
    url = "redis://u:MARKED-PASSWORD@127.0.0.1:1/0"
    async with await asyncio.to_thread(wxcv.RedisStore.from_url, url) as store:
        with pytest.raises(wxcv.StoreError) as caught:
            await store.load_refresh_token("k")

    assert caught.value.__context__ is None
    assert "ConnectionError" in str(caught.value)  # at once, not after 2 s of retries
    assert "MARKED" not in f"{store!r} {caught.value} {vars(caught.value)} {caplog.text}"


async def test_a_store_of_a_url_survives_a_connection_that_was_closed(server: RedisServer) -> None:
    """After Redis has closed an idle connection, as a restart does, the next operation opens another one."""
    async with await own_store(server) as store:
        await store.load_refresh_token("k")
        await server.stop()
        await server.start()
        assert await store.load_refresh_token("k") is None
