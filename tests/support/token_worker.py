"""A process of its own that asks for a classic token through a shared Redis; run by the tests.

Arguments: base URL, Redis's socket, appid, secret, number of tasks, lease, what happens before a new token is
stored ("go", "hang" or "pause"). Prints "fetched" when it has a new token that is not stored yet, then the
time and the tokens that its tasks got.
"""

from __future__ import annotations

import asyncio
import sys
import time

from redis.asyncio import Redis

import wxcv


class Watched(wxcv.RedisStore):
    """A store that tells when a token is about to be stored."""

    then = "go"

    async def save(self, key: str, token: wxcv.StoredToken, owner: str = "") -> bool:
        """Say so, then do as told."""
        print("fetched", flush=True)
        if self.then == "hang":
            await asyncio.Event().wait()
        if self.then == "pause":
            await asyncio.sleep(0.3)
        return await super().save(key, token, owner)


async def main() -> None:
    """Do as the arguments say."""
    base_url, socket, appid, secret, tasks, lease, Watched.then = sys.argv[1:]
    credential = wxcv.AppCredential(appid, secret, stable=False)
    async with Redis(unix_socket_path=socket) as redis:
        store = Watched(redis)
        store.lease = float(lease)
        async with wxcv.Session(credential, base_url=base_url, store=store) as session:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            tokens = await asyncio.gather(*(session.token() for _ in range(int(tasks))))
    values = {token.value for token in tokens}
    print(time.time(), *values, flush=True)


asyncio.run(main())
