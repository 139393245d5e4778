"""Stores: what several processes know together of their accounts' tokens.

A store keeps, under a credential's key: the token with a generation that grows with every token, so that a
late write cannot replace a newer one; a lease, so that one process at a time asks for a kind of token that
supersedes the one before; how often a refresh was forced; and the newest refresh token.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from wxcv import checks
from wxcv.errors import StoreError
from wxcv.masking import class_name
from wxcv.values import Value

if TYPE_CHECKING:
    from redis.asyncio import Redis

REFRESH_DEADLINE = 10.0
"""Seconds for one refresh, without the wait for a lease."""

FORCED_PAUSE = 30
"""Seconds between two forced refreshes; WeChat ignores one that comes sooner."""

FORCED_A_DAY = 10
"""Of the 20 that WeChat allows; the rest is for operators."""

_OPERATION_SECONDS = 2.0
_SLACK = 3600  # seconds for which the generation of a token outlives it
_MILLISECONDS = 1000


@attrs.frozen(repr=False)
class StoredToken(Value):
    """A token as a store knows it.

    Attributes:
        value: secret.
        generation: grows by 1 with every token that is stored.
        ends_at: Unix time by the clock of the process that stored it; 0 for a token that was refused.
        left: seconds that it still lives by the store's own clock.
    """

    value: str = attrs.field(repr=False)
    generation: int
    ends_at: float
    left: float


class Store(Protocol):
    """What a TokenCache asks of a shared store; every method raises StoreError if it fails."""

    lease: float
    """Seconds after which a lease that was not released ends."""

    async def load(self, key: str) -> StoredToken | None:
        """Return the token, living or not; None if there is none, or what is there is not ours."""

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """Store the token and return True, if its generation is higher than that of the stored one.

        With an owner, only while that owner has the lease.
        """

    async def invalidate(self, key: str, value: str) -> None:
        """Mark the token as refused (``ends_at`` 0) if it is still that one."""

    async def acquire(self, key: str, owner: str) -> bool:
        """Take the lease, if nobody has it."""

    async def release(self, key: str, owner: str) -> None:
        """Give the lease back, if it is still this owner's."""

    async def may_force(self, key: str, now: float) -> bool:
        """Count a forced refresh at the Unix time ``now``, unless it comes too soon or too often."""

    async def load_refresh_token(self, key: str) -> str | None:
        """Return the newest refresh token, or None."""

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """Keep the newest refresh token."""


# A token is kept as "wxcv1 GENERATION ENDS_AT VALUE". What does not look so counts as nothing and is
# overwritten; pcall, because a foreign key may even be of another type.
_PARSE = """
local function parse(text)
  if type(text) ~= 'string' then return 0 end
  local generation, ends_at, value = string.match(text, '^wxcv1 (%d+) (%d+%.?%d*) ([%w%p]+)$')
  return tonumber(generation) or 0, ends_at, value
end
local text = redis.pcall('GET', KEYS[1])
local generation, ends_at, value = parse(text)
"""
_SAVE = (
    _PARSE
    + """
if generation >= tonumber(ARGV[1]) then return 0 end
if ARGV[5] ~= '' and redis.pcall('GET', KEYS[2]) ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[1], 'wxcv1 ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
"""
)
_INVALIDATE = (
    _PARSE
    + """
if value == ARGV[1] then
  redis.call('SET', KEYS[1], 'wxcv1 ' .. string.format('%d', generation) .. ' 0 ' .. value, 'KEEPTTL')
end
return 0
"""
)
_LOAD = (
    _PARSE
    + """
if not value then return false end
return {string.format('%d', generation), ends_at, value, redis.call('PTTL', KEYS[1])}
"""
)
# A lease always ends: what does not, or is no text, is none.
_ACQUIRE = """
if type(redis.pcall('GET', KEYS[1])) == 'string' and redis.call('PTTL', KEYS[1]) > 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""
_LOAD_TEXT = """
local text = redis.pcall('GET', KEYS[1])
return type(text) == 'string' and text or ''
"""
_SAVE_TEXT = """
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
_MAY_FORCE = """
local text = redis.pcall('GET', KEYS[1])
local day, count, at = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+) (%d+)$')
local now = tonumber(ARGV[1])
local today = math.floor(now / 86400)
if tonumber(day) ~= today then count = 0 end
if at and now - tonumber(at) < tonumber(ARGV[2]) and now >= tonumber(at) then return 0 end
if tonumber(count) >= tonumber(ARGV[3]) then return 0 end
local new = string.format('%d %d %d', today, tonumber(count) + 1, math.floor(now))
redis.call('SET', KEYS[1], new, 'EX', 172800)
return 1
"""


def _require_redis(redis: object) -> None:
    try:
        from redis.asyncio import Redis, RedisCluster  # noqa: PLC0415 - the extra may be missing
    except ImportError:
        raise ImportError('RedisStore needs the extra redis: python -m pip install "wxcv[redis]"') from None
    if not isinstance(redis, (Redis, RedisCluster)):
        raise TypeError(f"redis must be a redis.asyncio.Redis, not {class_name(redis)}")


class RedisStore:
    """A Store in Redis, over a ``redis.asyncio.Redis`` of the caller's (extra: ``redis``).

    Args:
        redis: borrowed; never closed here.
        prefix: what all keys begin with.
        lease: seconds after which the lease of a process that died ends; longer than the 10 s that one
            refresh may take.

    Every operation ends within 2 s. While Redis is down, paused, read-only, full or restarting, a process
    with a living token goes on with it. Without one, it asks for a stable token by itself, which is safe, as
    every process gets the same; for kinds where a new token supersedes the one before (classic, component,
    authorizer) it fails with StoreError instead of breaking the tokens of the others. A Redis that was paused
    may give the lease to a process that waits no longer; then nobody asks until the lease ends. What Redis
    lost is asked for again; what is under our keys and not ours is ignored and overwritten.

    Keys hold kind and account, never a secret; values hold tokens, so guard Redis like all places of secrets.

    Raises:
        ValueError, TypeError: naming the argument.
        ImportError: the extra is not installed.
    """

    def __init__(self, redis: Redis, *, prefix: str = "wxcv", lease: float = 12.0) -> None:
        _require_redis(redis)
        self._redis = redis
        self._prefix = checks.plain("prefix", prefix)
        self.lease = checks.seconds("lease", lease, least=REFRESH_DEADLINE)

    def _name(self, key: str, what: str) -> str:
        # The braces keep an account's keys on one node of a cluster.
        return f"{self._prefix}:{{{key}}}:{what}"

    async def _eval(self, script: str, name: str | list[str], *arguments: str | float) -> Any:  # noqa: ANN401 - Redis's
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra may be missing

        try:
            async with asyncio.timeout(_OPERATION_SECONDS):
                names = [name] if isinstance(name, str) else name
                return await self._redis.eval(script, len(names), *names, *arguments)
        except (RedisError, OSError, ValueError, RuntimeError) as error:  # the last of another event loop's
            reason = class_name(error)
        # Raised out here, without the context: a command's text may hold a token.
        raise StoreError(f"the shared store failed ({reason})")

    async def load(self, key: str) -> StoredToken | None:
        """See ``Store.load``."""
        found = await self._eval(_LOAD, self._name(key, "token"))
        if not found:
            return None
        generation, ends_at, value, ttl = map(_text, found)
        return StoredToken(value, int(generation), float(ends_at), int(ttl) / _MILLISECONDS - _SLACK)

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """See ``Store.save``."""
        ttl = int((token.left + _SLACK) * _MILLISECONDS)
        arguments = (token.generation, f"{token.ends_at:.3f}", token.value, ttl, owner)
        names = [self._name(key, "token"), self._name(key, "lease")]
        return bool(await self._eval(_SAVE, names, *arguments))

    async def invalidate(self, key: str, value: str) -> None:
        """See ``Store.invalidate``."""
        await self._eval(_INVALIDATE, self._name(key, "token"), value)

    async def acquire(self, key: str, owner: str) -> bool:
        """See ``Store.acquire``."""
        ttl = int(self.lease * _MILLISECONDS)
        return bool(await self._eval(_ACQUIRE, self._name(key, "lease"), owner, ttl))

    async def release(self, key: str, owner: str) -> None:
        """See ``Store.release``."""
        await self._eval(_RELEASE, self._name(key, "lease"), owner)

    async def may_force(self, key: str, now: float) -> bool:
        """See ``Store.may_force``."""
        arguments = (int(now), FORCED_PAUSE, FORCED_A_DAY)
        return bool(await self._eval(_MAY_FORCE, self._name(key, "forced"), *arguments))

    async def load_refresh_token(self, key: str) -> str | None:
        """See ``Store.load_refresh_token``."""
        found = await self._eval(_LOAD_TEXT, self._name(key, "refresh_token"))
        return _text(found) or None

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """See ``Store.save_refresh_token``."""
        await self._eval(_SAVE_TEXT, self._name(key, "refresh_token"), refresh_token)


def _text(value: Any) -> str:  # noqa: ANN401 - bytes, str or a number, as the connection is set up
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
