"""A process of its own that takes calls from a limit; run by the tests.

Arguments: the store's address, the limit, how many calls it tries to take, how many of them at a time, and by
how many seconds its clock is wrong. Prints a line for every call that it took: number and end of the day.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack

from redis.asyncio import Redis

import wxcv

_right = time.time


async def main() -> None:
    """Do as the arguments say."""
    address, limit, calls, at_a_time, wrong_by = sys.argv[1:]
    time.time = lambda: _right() + float(wrong_by)
    left = int(calls)
    async with AsyncExitStack() as stack:
        store: wxcv.Store
        if address.startswith("redis:"):
            socket = address.removeprefix("redis:")
            store = wxcv.RedisStore(await stack.enter_async_context(Redis(unix_socket_path=socket)))
        else:
            store = await stack.enter_async_context(wxcv.SQLiteStore(address))

        async def take_one_by_one() -> None:
            nonlocal left
            while left:
                left -= 1
                taken = await store.take("k", int(limit))
                if taken.number is not None:
                    print(taken.number, taken.resets_at, flush=True)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(take_one_by_one() for _ in range(int(at_a_time))))


asyncio.run(main())
