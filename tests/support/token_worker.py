"""A process of its own that asks for a classic token through a shared store; run by the tests.

Arguments: base URL, the store's address, appid, secret, number of tasks, what happens before a new token is
stored ("go"; "hang" for ever; "stop" until SIGCONT). Prints "waiting" when another process has the lease,
"fetched" when it has a new token that is not stored yet, and then "tokens" and those that its tasks got.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from redis.asyncio import Redis

import wxcv


class Watched:
    """Mixed into a store, it tells when it waits for the lease and when a token is about to be stored."""

    then = "go"
    is_waiting = False

    async def acquire(self, key: str, owner: str) -> bool:
        """Say so if another process has the lease."""
        is_ours: bool = await super().acquire(key, owner)  # type: ignore[misc] # of the store
        if not is_ours and not self.is_waiting:
            self.is_waiting = True
            print("waiting", flush=True)
        return is_ours

    async def save(self, key: str, token: wxcv.StoredToken, owner: str = "") -> bool:
        """Say so, then do as told."""
        print("fetched", flush=True)
        if self.then == "hang":
            await asyncio.Event().wait()
        if self.then == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        return await super().save(key, token, owner)  # type: ignore[misc,no-any-return] # of the store


class WatchedRedis(Watched, wxcv.RedisStore):
    """Such a store in Redis."""


class WatchedFile(Watched, wxcv.SQLiteStore):
    """Such a store in a file."""


async def open_store(address: str, stack: AsyncExitStack) -> wxcv.Store:
    """Open the store at "redis:SOCKET" or at a path."""
    if address.startswith("redis:"):
        redis = await stack.enter_async_context(Redis(unix_socket_path=address.removeprefix("redis:")))
        return WatchedRedis(redis)
    return await stack.enter_async_context(WatchedFile(address))


async def main() -> None:
    """Do as the arguments say."""
    base_url, address, appid, secret, tasks, Watched.then = sys.argv[1:]
    credential = wxcv.AppCredential(appid, secret, stable=False)
    async with AsyncExitStack() as stack:
        store = await open_store(address, stack)
        async with wxcv.Session(credential, base_url=base_url, store=store) as session:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            tokens = await asyncio.gather(*(session.token() for _ in range(int(tasks))))
    values = {token.value for token in tokens}
    print("tokens", *values, flush=True)


asyncio.run(main())
