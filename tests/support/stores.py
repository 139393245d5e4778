"""The stores that tests hold to the same contracts: a real Redis, and a file."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import wxcv
from support.redis_server import RedisServer
from wxcv.stores.local import LocalCounters

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis


STORES = ("redis-bytes", "redis-str", "sqlite")
"""The stores by name: a Redis whose client gives bytes, or strings, and a file."""


class SharedStore(Protocol):
    """Something that several stores share, as several processes would."""

    address: str
    """For support/store_worker.py and support/token_worker.py."""

    async def start(self) -> None:
        """Make it ready."""

    async def aclose(self) -> None:
        """Close all stores and end it."""

    def open(self) -> wxcv.Store:
        """Make another store on it."""

    async def now(self) -> float:
        """Return the Unix time by the store's clock."""

    async def advance(self, seconds: float) -> None:
        """Let that much time pass for what is stored."""

    async def end_leases(self) -> None:
        """Let all leases be over, also for processes that have the system's clock."""


class SharedMemory:
    """The counters of one process, with a clock that stands still; for tests of daily limits only."""

    address = ""

    def __init__(self) -> None:
        self.clock = wxcv.ManualClock(wall=time.time())
        self._counters = LocalCounters(self.clock)

    async def start(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""

    def open(self) -> Any:
        """Return the counters, which are no Store."""
        return self._counters

    async def now(self) -> float:
        """Return what the clock shows."""
        return self.clock.wall()

    async def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    async def end_leases(self) -> None:
        """Do nothing: it has none."""


class SharedFile:
    """SQLite stores on one file, with a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "store.db")
        self.clock = wxcv.ManualClock(wall=time.time())
        self._opened: list[wxcv.SQLiteStore] = []

    async def start(self) -> None:
        """Do nothing: the first store makes the file."""

    async def aclose(self) -> None:
        """Close all stores."""
        for store in self._opened:
            await store.aclose()

    def open(self) -> wxcv.SQLiteStore:
        """Make another store, with a connection of its own."""
        self._opened.append(wxcv.SQLiteStore(self.address, clock=self.clock))
        return self._opened[-1]

    async def now(self) -> float:
        """Return what the clock shows."""
        return self.clock.wall()

    async def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    async def end_leases(self) -> None:
        """Bring the end of all leases to their beginning."""
        with closing(sqlite3.connect(self.address, timeout=30)) as connection, connection:
            connection.execute("UPDATE leases SET ends_at = begins_at")


class SharedRedis:
    """Redis stores on one server, whose clock cannot be moved: what it holds is made older instead."""

    def __init__(self, *, decode_responses: bool) -> None:
        self.server = RedisServer()
        self.address = f"redis:{self.server.path}"
        self._decode_responses = decode_responses
        self._opened: list[Redis] = []

    async def start(self) -> None:
        """Start the server."""
        await self.server.start()

    async def aclose(self) -> None:
        """Close all clients and kill the server."""
        for client in self._opened:
            await client.aclose()
        await self.server.aclose()

    def open(self) -> wxcv.RedisStore:
        """Make another store, with a client of its own."""
        self._opened.append(self.server.client(decode_responses=self._decode_responses))
        return wxcv.RedisStore(self._opened[-1])

    async def now(self) -> float:
        """Return Redis's time."""
        async with self.server.client() as client:
            seconds, microseconds = await client.time()
            return float(seconds + microseconds / 1e6)

    async def advance(self, seconds: float) -> None:
        """Bring the end of every key nearer, and the times in it."""
        async with self.server.client(decode_responses=True) as client:
            for key in await client.keys():
                if key.endswith(":quota"):
                    await client.set(key, self._age(await client.get(key), seconds), keepttl=True)
                left = await client.pttl(key)
                if left > 0:
                    await client.pexpire(key, int(left - seconds * 1000))

    async def end_leases(self) -> None:
        """Remove all leases, as Redis does at their end."""
        async with self.server.client() as client:
            await client.delete(*await client.keys("*:lease"))

    @staticmethod
    def _age(text: str, seconds: float) -> str:
        found = re.fullmatch(r"(wxcv1 \d+) (\d+) ([01]) (\S+)", text)
        assert found is not None
        probed_at = "-" if found[4] == "-" else f"{max(0.0, float(found[4]) - seconds):.3f}"
        return f"{found[1]} {max(0, int(found[2]) - int(seconds))} {found[3]} {probed_at}"


class FailingStore(wxcv.SQLiteStore):
    """A store in a file, whose methods that write tokens fail while a test says so."""

    is_failing = True

    def _fail(self) -> None:
        if self.is_failing:
            raise wxcv.StoreError("the disk is full")

    async def save(self, key: str, token: wxcv.StoredToken, owner: str = "") -> bool:
        """Fail, or store the token."""
        self._fail()
        return await super().save(key, token, owner)

    async def count_forced_refresh(self, key: str, now: float) -> bool:
        """Fail, or count a forced refresh."""
        self._fail()
        return await super().count_forced_refresh(key, now)

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """Fail, or keep the refresh token."""
        self._fail()
        await super().save_refresh_token(key, refresh_token)
