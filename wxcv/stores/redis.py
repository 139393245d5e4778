"""RedisStore: a Store in Redis."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

from wxcv import checks
from wxcv.errors import StoreError
from wxcv.masking import class_name, short_name
from wxcv.stores import scripts
from wxcv.stores.base import (
    ANSWER_LIMIT,
    FORCED_PAUSE,
    FORCED_PER_DAY,
    OPERATION_SECONDS,
    PROBE_PAUSE,
    REFRESH_DEADLINE,
    TOKEN_SLACK,
    StoredToken,
    Taken,
    Usage,
    is_keepable,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster
    from redis.commands.core import AsyncScript

_EXTRA = 'RedisStore needs the extra redis: python -m pip install "wxcv[redis]"'
_MILLISECONDS = 1000


def _require_redis(redis: object) -> None:
    try:
        from redis.asyncio import Redis, RedisCluster  # noqa: PLC0415 - the extra may be missing
    except ImportError:
        raise ImportError(_EXTRA) from None
    if not isinstance(redis, (Redis, RedisCluster)):
        raise TypeError(f"redis must be a redis.asyncio.Redis or RedisCluster, not {class_name(redis)}")


def _make_client(url: str) -> Redis | None:
    """Return a client that is not connected yet, or None for a URL that redis-py cannot use."""
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - the extra may be missing
        from redis.asyncio.connection import SSLConnection, parse_url  # noqa: PLC0415 - the same
        from redis.asyncio.retry import Retry  # noqa: PLC0415 - the same
        from redis.backoff import NoBackoff  # noqa: PLC0415 - the same
    except ImportError:
        raise ImportError(_EXTRA) from None
    try:
        options: dict[str, Any] = {**parse_url(url)}
        if url.startswith("unix:"):
            options["unix_socket_path"] = options.pop("path")
        # Not from_url, which accepts any parameter and fails when it connects.
        has_tls = options.pop("connection_class", None) is SSLConnection
        # One retry for a connection that was closed while idle; more would only delay the error.
        return Redis(**options, ssl=has_tls, retry=Retry(NoBackoff(), 1))
    except Exception:  # noqa: BLE001 - of redis-py and Python, for the different parts of a URL
        return None


def _failures() -> tuple[type[Exception], ...]:
    """Return what redis-py raises while it talks to a server."""
    from redis.exceptions import RedisClusterException, RedisError  # noqa: PLC0415 - the extra may be missing

    # A RedisClusterException is no RedisError; a RuntimeError is for a connection of another event loop.
    return (RedisError, RedisClusterException, OSError, ValueError, RuntimeError)


def _explain(error: Exception) -> str:
    """Say what failed, without the error's own text: that of a command may hold a token."""
    from redis import exceptions  # noqa: PLC0415 - the extra may be missing

    # The subclasses of redis-py's ConnectionError are for what a Redis that was reached has refused.
    is_unreached = isinstance(error, OSError) or type(error) in {
        exceptions.ConnectionError,
        exceptions.TimeoutError,
    }
    name = class_name(error)
    return f"Redis cannot be reached ({name}); is it running?" if is_unreached else f"Redis failed ({name})"


class RedisStore:
    """A Store in Redis, for processes on any number of machines (extra: ``redis``).

    Args:
        redis: a ``redis.asyncio.Redis`` or ``RedisCluster`` of the caller's; the store never closes it. With
            ``from_url`` the store has a client of its own.
        prefix: the beginning of all keys; not empty, ASCII, no white space.
        lease: seconds after which the lease of a crashed process expires; above 10, the longest refresh.

    Every operation ends within 2 s. While Redis is down, paused, read-only, full or restarting, a process
    with a valid token continues to use it. Without one, it fetches a stable token itself, which is safe as
    that token is the same for every process; for kinds whose new tokens invalidate the previous one (classic,
    component, authorizer) it raises StoreError rather than invalidate the tokens of other processes. A Redis
    that was paused may grant the lease to a process that has stopped waiting; then no process refreshes until
    the lease expires. Tokens that Redis lost are fetched again; foreign values in place of tokens and answers
    are ignored and overwritten, and one in place of a count is a StoreError that names the key.

    Daily limits go by the clock of Redis, so that machines with wrong clocks agree on the day. They hold as
    long as Redis loses no write. Up to a whole limit may be sent again if it is killed without ``appendonly
    yes`` and ``appendfsync always``, if a replica takes over that had not received everything, if it evicts
    keys (``maxmemory-policy`` other than ``noeviction``), and after FLUSHDB, FLUSHALL or DEL.

    Keys hold accounts, paths and hashes, never a secret. Values hold tokens and answers, so protect Redis
    like any secret store. All keys expire, except those of refresh tokens.

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
        ImportError: the extra is not installed.
    """

    def __init__(self, redis: Redis | RedisCluster, *, prefix: str = "wxcv", lease: float = 12.0) -> None:
        _require_redis(redis)
        self._owned: Redis | None = None
        self._register = redis.register_script
        self._scripts: dict[str, AsyncScript] = {}
        self._prefix = checks.check_token_text("prefix", prefix)
        self.lease = checks.check_seconds("lease", lease, least=REFRESH_DEADLINE)

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "wxcv", lease: float = 12.0) -> Self:
        """Make a store with a client of its own, which ``aclose`` or the end of ``async with`` closes.

        Args:
            url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py takes it. It may hold a user
                and a password, and is never shown.
            prefix, lease: as above.

        Raises:
            ValueError, TypeError: an argument is unusable; the message names it.
            ImportError: the extra is not installed.
        """
        if not isinstance(url, str):
            raise TypeError(f"url must be a str, not {class_name(url)}")
        client = _make_client(url)
        if client is None:  # raised here, without a context: the texts of redis-py's errors hold parts of it
            raise ValueError(
                "url must be a redis://, rediss:// or unix:// URL that redis-py accepts (not shown)"
            )
        store = cls(client, prefix=prefix, lease=lease)
        store._owned = client
        return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client of ``from_url``, within 2 s; the next use opens it again.

        The caller's own client stays open.
        """
        if self._owned is not None:
            with contextlib.suppress(*_failures()):
                async with asyncio.timeout(OPERATION_SECONDS):
                    await self._owned.aclose()

    def _name(self, key: str, what: str) -> str:
        # The braces keep the keys of an account on one node of a cluster.
        return f"{self._prefix}:{{{key}}}:{what}"

    async def _run(self, script: str, name: str | list[str], *arguments: str | float) -> Any:  # noqa: ANN401 - Redis's
        run = self._scripts.get(script)
        if run is None:
            run = self._scripts[script] = self._register(script)
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                return await run(keys=[name] if isinstance(name, str) else name, args=arguments)
        except _failures() as error:
            reason = _explain(error)
        # Raised outside the except block, without a context: the text of a command may hold a token.
        raise StoreError(reason)

    async def load(self, key: str) -> StoredToken | None:
        """See ``TokenStore.load``."""
        found = await self._run(scripts.LOAD, self._name(key, "token"))
        if not found:
            return None
        generation, ends_at, value, ttl = map(_text, found)
        return StoredToken(value, int(generation), float(ends_at), int(ttl) / _MILLISECONDS - TOKEN_SLACK)

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """See ``TokenStore.save``."""
        ttl = int((token.left + TOKEN_SLACK) * _MILLISECONDS)
        arguments = (token.generation, f"{token.ends_at:.3f}", token.value, ttl, owner)
        names = [self._name(key, "token"), self._name(key, "lease")]
        return bool(await self._run(scripts.SAVE, names, *arguments))

    async def invalidate(self, key: str, value: str) -> None:
        """See ``TokenStore.invalidate``."""
        await self._run(scripts.INVALIDATE, self._name(key, "token"), value)

    async def acquire(self, key: str, owner: str) -> bool:
        """See ``TokenStore.acquire``."""
        ttl = int(self.lease * _MILLISECONDS)
        return bool(await self._run(scripts.ACQUIRE, self._name(key, "lease"), owner, ttl))

    async def release(self, key: str, owner: str) -> None:
        """See ``TokenStore.release``."""
        await self._run(scripts.RELEASE, self._name(key, "lease"), owner)

    async def count_forced_refresh(self, key: str, now: float) -> bool:
        """See ``TokenStore.count_forced_refresh``."""
        arguments = (int(now), FORCED_PAUSE, FORCED_PER_DAY)
        return bool(await self._run(scripts.COUNT_FORCED_REFRESH, self._name(key, "forced"), *arguments))

    async def load_refresh_token(self, key: str) -> str | None:
        """See ``TokenStore.load_refresh_token``."""
        found = await self._run(scripts.LOAD_TEXT, self._name(key, "refresh_token"))
        return _text(found) or None

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """See ``TokenStore.save_refresh_token``."""
        await self._run(scripts.SAVE_TEXT, self._name(key, "refresh_token"), refresh_token)

    async def _run_on_count(self, script: str, key: str, *arguments: str | float) -> list[Any]:
        name = self._name(key, "quota")
        names = [name, self._name(key, "given_back")] if script is scripts.GIVE_BACK else name
        found: list[Any] | None = await self._run(script, names, *arguments)
        if not found:
            raise StoreError(f"the key {short_name(name)} in Redis holds no count of wxcv; delete it")
        return found

    async def take(
        self, key: str, limit: int, *, reset_hour: int = 0, probe_every: float = PROBE_PAUSE
    ) -> Taken:
        """See ``CounterStore.take``."""
        found = await self._run_on_count(scripts.TAKE, key, limit, reset_hour, probe_every)
        number, resets_at, refused_by, is_probe = found
        refusal: Any = _text(refused_by) or None
        return Taken(number or None, float(resets_at), refusal, is_probe=bool(is_probe))

    async def give_back(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.give_back``."""
        if taken.number is not None:
            arguments = (taken.resets_at, int(taken.is_probe), taken.id)
            await self._run_on_count(scripts.GIVE_BACK, key, *arguments)

    async def mark_day_spent(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.mark_day_spent``."""
        await self._run_on_count(scripts.MARK_DAY_SPENT, key, taken.resets_at)

    async def mark_market_spent(self, key: str) -> None:
        """See ``CounterStore.mark_market_spent``."""
        await self._run_on_count(scripts.MARK_MARKET_SPENT, key)

    async def release_probe(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.release_probe``."""
        if taken.is_probe:
            await self._run_on_count(scripts.RELEASE_PROBE, key)

    async def clear_marks(self, key: str) -> None:
        """See ``CounterStore.clear_marks``."""
        await self._run_on_count(scripts.CLEAR_MARKS, key)

    async def load_usage(self, key: str, *, reset_hour: int = 0) -> Usage:
        """See ``CounterStore.load_usage``."""
        count, resets_at, is_spent, is_market = await self._run_on_count(scripts.LOAD_USAGE, key, reset_hour)
        return Usage(count, float(resets_at), is_day_spent=bool(is_spent), is_market_spent=bool(is_market))

    async def find_answer(self, key: str) -> str | None:
        """See ``AnswerStore.find_answer``."""
        found = await self._run(scripts.FIND_ANSWER, self._name(key, "answer"), ANSWER_LIMIT)
        return _text(found) if found else None

    async def keep_answer(self, key: str, answer: str, ttl: float) -> None:
        """See ``AnswerStore.keep_answer``."""
        if is_keepable(answer):
            ttl_ms = max(1, int(ttl * _MILLISECONDS))
            await self._run(scripts.KEEP_ANSWER, self._name(key, "answer"), answer, ttl_ms)


def _text(value: Any) -> str:  # noqa: ANN401 - bytes, str or a number, depending on the connection
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
