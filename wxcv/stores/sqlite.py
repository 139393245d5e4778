"""SQLiteStore: a Store in a file, for processes on one machine."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Self

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.stores import statements
from wxcv.stores.base import PROBE_PAUSE, REFRESH_DEADLINE, is_keepable
from wxcv.stores.database import Database
from wxcv.stores.database_thread import DatabaseThread

if TYPE_CHECKING:
    import os

    from wxcv.clock import Clock
    from wxcv.stores.base import StoredToken, Taken, Usage

_REDIS_URL = re.compile(r"\s*(redis|rediss|unix):", re.IGNORECASE)


def _check_path(path: object) -> str:
    name = checks.check_path(path)
    if _REDIS_URL.match(name):  # it may hold a password, which would become the name of a file
        raise ValueError(
            "path looks like a URL of Redis (not shown); use RedisStore.from_url, or for a file of that "
            "name, pass its absolute path"
        )
    return name


class SQLiteStore:
    """A Store in an SQLite file, for processes on one machine; it needs no server.

    Args:
        path: the path of the file, in a directory that exists. The file is opened at the first use, and
            created if it is missing; only its owner can read it (mode 0600), as it holds tokens and answers.
            SQLite keeps two more files beside it (``-wal`` and ``-shm``).
        lease: seconds after which the lease of a crashed process expires; above 10, the longest refresh.
        clock: the source of the time of day; None uses the system's clock.

    Every operation runs in a thread of the store's own and ends within 2 s. If it fails, the StoreError names
    the file, the cause and the remedy: the disk is full, its directory is missing, or the file is read-only,
    damaged, locked or of another program. A file that is not a store is left unchanged. On Linux, a network
    file system is refused, as SQLite's locks do not work there. While the file cannot be used, a session gets
    its tokens as with a RedisStore whose Redis is down.

    Several processes, including forked children, may use the file at the same time, and several event loops
    may use the store one after another. ``aclose``, or the end of ``async with``, closes the file; the next
    use opens it again. A store that was never closed does not keep the process from ending.

    Daily limits go by this machine's clock. They survive ``kill -9`` and, on a disk that has really written
    what it reports as written, a power failure. If the file is deleted, they start again at 0. Replace it
    with a copy only while no process uses it.

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, lease: float = 12.0, clock: Clock | None = None
    ) -> None:
        name = _check_path(path)
        self.lease = checks.check_seconds("lease", lease, least=REFRESH_DEADLINE)
        checks.check_optional("clock", clock, "Clock", "monotonic", "wall", "sleep")
        self._thread = DatabaseThread(
            partial(Database, name, statements.TABLES, clock or SystemClock()), name
        )
        self._run = self._thread.run

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Finish the operations that were begun and close the file; the next use opens it again."""
        await self._thread.aclose()

    async def load(self, key: str) -> StoredToken | None:
        """See ``TokenStore.load``."""
        token: StoredToken | None = await self._run(statements.load, key)
        return token

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """See ``TokenStore.save``."""
        return bool(await self._run(statements.save, key, token, owner))

    async def invalidate(self, key: str, value: str) -> None:
        """See ``TokenStore.invalidate``."""
        await self._run(statements.invalidate, key, value)

    async def acquire(self, key: str, owner: str) -> bool:
        """See ``TokenStore.acquire``."""
        return bool(await self._run(statements.acquire, key, owner, self.lease))

    async def release(self, key: str, owner: str) -> None:
        """See ``TokenStore.release``."""
        await self._run(statements.release, key, owner)

    async def count_forced_refresh(self, key: str, now: float) -> bool:
        """See ``TokenStore.count_forced_refresh``."""
        return bool(await self._run(statements.count_forced_refresh, key, int(now)))

    async def load_refresh_token(self, key: str) -> str | None:
        """See ``TokenStore.load_refresh_token``."""
        refresh_token: str | None = await self._run(statements.load_refresh_token, key)
        return refresh_token

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """See ``TokenStore.save_refresh_token``."""
        await self._run(statements.save_refresh_token, key, refresh_token)

    async def take(
        self, key: str, limit: int, *, reset_hour: int = 0, probe_every: float = PROBE_PAUSE
    ) -> Taken:
        """See ``CounterStore.take``."""
        taken: Taken = await self._run(statements.take, key, limit, reset_hour, probe_every)
        return taken

    async def give_back(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.give_back``."""
        if taken.number is not None:
            await self._run(statements.give_back, key, taken)

    async def mark_day_spent(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.mark_day_spent``."""
        await self._run(statements.mark_day_spent, key, taken.resets_at)

    async def mark_market_spent(self, key: str) -> None:
        """See ``CounterStore.mark_market_spent``."""
        await self._run(statements.mark_market_spent, key)

    async def release_probe(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.release_probe``."""
        if taken.is_probe:
            await self._run(statements.release_probe, key, taken)

    async def clear_marks(self, key: str) -> None:
        """See ``CounterStore.clear_marks``."""
        await self._run(statements.clear_marks, key)

    async def load_usage(self, key: str, *, reset_hour: int = 0) -> Usage:
        """See ``CounterStore.load_usage``."""
        usage: Usage = await self._run(statements.load_usage, key, reset_hour)
        return usage

    async def find_answer(self, key: str) -> str | None:
        """See ``AnswerStore.find_answer``."""
        answer: str | None = await self._run(statements.find_answer, key)
        return answer

    async def keep_answer(self, key: str, answer: str, ttl: float) -> None:
        """See ``AnswerStore.keep_answer``."""
        if is_keepable(answer):
            await self._run(statements.keep_answer, key, answer, ttl)
