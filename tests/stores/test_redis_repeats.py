"""What redis-py sends again, because the connection broke after Redis had carried it out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from support.redis_server import RedisServer

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")


class Proxy:
    """Stands between clients and a Redis, and can lose a reply.

    Attributes:
        loses_reply: whether the next reply of Redis is lost, with the connection.
    """

    def __init__(self, server: RedisServer) -> None:
        self.path = str(Path(server.path).with_name("proxy"))
        self.loses_reply = False
        self._server = server

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass commands on one by one, and the replies back."""
        redis_reader, redis_writer = await asyncio.open_unix_connection(self._server.path)
        try:
            while command := await reader.read(65_536):
                redis_writer.write(command)
                reply = await redis_reader.read(65_536)
                if self.loses_reply:
                    self.loses_reply = False
                    break
                writer.write(reply)
        finally:
            redis_writer.close()
            writer.close()


@asynccontextmanager
async def open_store(kind: str) -> AsyncIterator[tuple[wxcv.RedisStore, Proxy]]:
    """Open a store behind a proxy, with a client of its own or the caller's."""
    server = RedisServer()
    await server.start()
    proxy, listener = Proxy(server), None
    try:
        listener = await asyncio.start_unix_server(proxy.serve, proxy.path)
        if kind == "url":
            async with await asyncio.to_thread(wxcv.RedisStore.from_url, f"unix://{proxy.path}") as store:
                yield store, proxy
        else:
            async with server.client(unix_socket_path=proxy.path) as client:
                yield wxcv.RedisStore(client), proxy
    finally:
        if listener is not None:
            listener.close()
        await server.aclose()


async def repeat_if_lost(operation: Callable[[], Awaitable[T]]) -> T:
    """Run an operation, again if it fails: older clients of redis-py do not repeat it themselves."""
    try:
        return await operation()
    except wxcv.StoreError:
        return await operation()


@pytest.mark.parametrize("kind", ["url", "client"])
async def test_a_call_is_given_back_once_though_the_reply_was_lost(kind: str) -> None:
    """If the reply to a ``give_back`` is lost, the call that it gave back is not given back a second time."""
    async with open_store(kind) as (store, proxy):
        taken = [await store.take("k", 9) for _ in range(5)]
        await store.give_back("k", taken[0])  # so that Redis knows the script
        proxy.loses_reply = True
        await repeat_if_lost(lambda: store.give_back("k", taken[1]))
        assert not proxy.loses_reply

        assert (await store.load_usage("k")).count == 3


@pytest.mark.parametrize("kind", ["url", "client"])
async def test_a_lease_is_had_though_the_reply_was_lost(kind: str) -> None:
    """If the reply to an ``acquire`` is lost, its owner learns that it has the lease."""
    async with open_store(kind) as (store, proxy):
        await store.acquire("other", "me")
        proxy.loses_reply = True
        assert await repeat_if_lost(lambda: store.acquire("k", "me"))
        assert not proxy.loses_reply
        assert not await store.acquire("k", "another")
