"""RedisStore: a Store in Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wxcv import checks
from wxcv.errors import StoreError
from wxcv.masking import class_name
from wxcv.stores import scripts
from wxcv.stores.base import FORCED_PAUSE, FORCED_PER_DAY, REFRESH_DEADLINE, StoredToken

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster
    from redis.commands.core import AsyncScript

_OPERATION_SECONDS = 2.0
_SLACK = 3600  # seconds for which a token's record, with its generation, outlives the token
_MILLISECONDS = 1000


def _require_redis(redis: object) -> None:
    try:
        from redis.asyncio import Redis, RedisCluster  # noqa: PLC0415 - the extra may be missing
    except ImportError:
        raise ImportError('RedisStore needs the extra redis: python -m pip install "wxcv[redis]"') from None
    if not isinstance(redis, (Redis, RedisCluster)):
        raise TypeError(f"redis must be a redis.asyncio.Redis or RedisCluster, not {class_name(redis)}")


class RedisStore:
    """A Store in Redis (extra: ``redis``).

    Args:
        redis: a ``redis.asyncio.Redis`` or ``RedisCluster`` of the caller's; it is never closed here.
        prefix: what all keys begin with; not empty, ASCII, no white space.
        lease: seconds after which the lease of a crashed process expires; above 10, the longest refresh.

    Every operation ends within 2 s. While Redis is down, paused, read-only, full or restarting, a process
    with a valid token continues to use it. Without one, it fetches a stable token itself, which is safe as
    that token is the same for every process; for kinds whose new tokens invalidate the previous one (classic,
    component, authorizer) it raises StoreError rather than invalidate the tokens of other processes. A Redis
    that was paused may grant the lease to a process that has stopped waiting; then no process refreshes until
    the lease expires. Tokens that Redis lost are fetched again; foreign values under its keys are ignored and
    overwritten.

    Keys hold the kind and the account, never a secret. Values hold tokens, so protect Redis like any secret
    store.

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
        ImportError: the extra is not installed.
    """

    def __init__(self, redis: Redis | RedisCluster, *, prefix: str = "wxcv", lease: float = 12.0) -> None:
        _require_redis(redis)
        self._register = redis.register_script
        self._scripts: dict[str, AsyncScript] = {}
        self._prefix = checks.check_token_text("prefix", prefix)
        self.lease = checks.check_seconds("lease", lease, least=REFRESH_DEADLINE)

    def _name(self, key: str, what: str) -> str:
        # The braces keep the keys of an account on one node of a cluster.
        return f"{self._prefix}:{{{key}}}:{what}"

    async def _run(self, script: str, name: str | list[str], *arguments: str | float) -> Any:  # noqa: ANN401 - Redis's
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra may be missing

        run = self._scripts.get(script)
        if run is None:
            run = self._scripts[script] = self._register(script)
        try:
            async with asyncio.timeout(_OPERATION_SECONDS):
                return await run(keys=[name] if isinstance(name, str) else name, args=arguments)
        except (RedisError, OSError, ValueError, RuntimeError) as error:  # the last for another loop's
            reason = class_name(error)
        # Raised outside the except block, without a context: the text of a command may hold a token.
        raise StoreError(f"the shared store failed ({reason})")

    async def load(self, key: str) -> StoredToken | None:
        """See ``Store.load``."""
        found = await self._run(scripts.LOAD, self._name(key, "token"))
        if not found:
            return None
        generation, ends_at, value, ttl = map(_text, found)
        return StoredToken(value, int(generation), float(ends_at), int(ttl) / _MILLISECONDS - _SLACK)

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """See ``Store.save``."""
        ttl = int((token.left + _SLACK) * _MILLISECONDS)
        arguments = (token.generation, f"{token.ends_at:.3f}", token.value, ttl, owner)
        names = [self._name(key, "token"), self._name(key, "lease")]
        return bool(await self._run(scripts.SAVE, names, *arguments))

    async def invalidate(self, key: str, value: str) -> None:
        """See ``Store.invalidate``."""
        await self._run(scripts.INVALIDATE, self._name(key, "token"), value)

    async def acquire(self, key: str, owner: str) -> bool:
        """See ``Store.acquire``."""
        ttl = int(self.lease * _MILLISECONDS)
        return bool(await self._run(scripts.ACQUIRE, self._name(key, "lease"), owner, ttl))

    async def release(self, key: str, owner: str) -> None:
        """See ``Store.release``."""
        await self._run(scripts.RELEASE, self._name(key, "lease"), owner)

    async def claim_forced_refresh(self, key: str, now: float) -> bool:
        """See ``Store.claim_forced_refresh``."""
        arguments = (int(now), FORCED_PAUSE, FORCED_PER_DAY)
        return bool(await self._run(scripts.MAY_FORCE, self._name(key, "forced"), *arguments))

    async def load_refresh_token(self, key: str) -> str | None:
        """See ``Store.load_refresh_token``."""
        found = await self._run(scripts.LOAD_TEXT, self._name(key, "refresh_token"))
        return _text(found) or None

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """See ``Store.save_refresh_token``."""
        await self._run(scripts.SAVE_TEXT, self._name(key, "refresh_token"), refresh_token)


def _text(value: Any) -> str:  # noqa: ANN401 - bytes, str or a number, depending on the connection
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
