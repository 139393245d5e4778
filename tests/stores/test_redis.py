"""RedisStore, on a real Redis."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from support.stored import NOW, STORED

import wxcv

if TYPE_CHECKING:
    from support.redis_server import RedisServer


async def test_a_token_is_stored_with_its_life(redis: Redis) -> None:
    """A stored token is loaded with its generation, its end, and the life that Redis counts by itself."""
    store = wxcv.RedisStore(redis)
    assert await store.load("k") is None
    assert await store.save("k", STORED)
    loaded = await store.load("k")

    assert loaded is not None
    assert (loaded.value, loaded.generation, loaded.ends_at) == ("MARKED-T1", 1, NOW + 100)
    assert 95 < loaded.left <= 100


async def test_an_older_generation_is_refused(redis: Redis) -> None:
    """A token of the same or an older generation does not replace the stored one."""
    store = wxcv.RedisStore(redis)
    newer = wxcv.StoredToken("T5", 5, NOW, 10.0)
    assert await store.save("k", newer)

    for generation in (5, 4, 1):
        assert not await store.save("k", wxcv.StoredToken("late", generation, NOW, 10.0))
    assert (await store.load("k")).value == "T5"  # type: ignore[union-attr]


async def test_only_the_very_token_is_invalidated(redis: Redis) -> None:
    """A refused token ends at once and keeps its generation; another token is left alone."""
    store = wxcv.RedisStore(redis)
    await store.save("k", STORED)
    await store.invalidate("k", "another")
    assert (await store.load("k")).ends_at == NOW + 100  # type: ignore[union-attr]

    await store.invalidate("k", "MARKED-T1")
    loaded = await store.load("k")
    assert loaded is not None
    assert (loaded.ends_at, loaded.generation) == (0.0, 1)


async def test_a_lease_has_one_owner_and_an_end(redis: Redis) -> None:
    """A lease is had by one owner until it is given back by that owner, or ends."""
    store = wxcv.RedisStore(redis)
    store.lease = 0.05
    assert await store.acquire("k", "a")
    assert not await store.acquire("k", "b")
    await store.release("k", "b")
    assert not await store.acquire("k", "b")
    await store.release("k", "a")
    assert await store.acquire("k", "b")

    attempts = 0
    while not await store.acquire("k", "c"):
        attempts += 1
        assert attempts < 100_000


async def test_forced_refreshes_are_counted_for_all(redis: Redis) -> None:
    """All processes together force at most once in 30 s and ten times a day."""
    stores = [wxcv.RedisStore(redis), wxcv.RedisStore(redis)]
    assert await stores[0].claim_forced_refresh("k", NOW)
    assert not await stores[1].claim_forced_refresh("k", NOW + 29)
    assert await stores[1].claim_forced_refresh("k", NOW + 30)
    allowed = [await stores[n % 2].claim_forced_refresh("k", NOW + 60 + 30 * n) for n in range(20)]

    assert allowed == [True] * 8 + [False] * 12
    assert await stores[0].claim_forced_refresh("k", NOW + 86_400)


async def test_the_newest_refresh_token_is_shared(redis: Redis) -> None:
    """A refresh token that one process keeps is known to the others."""
    await wxcv.RedisStore(redis).save_refresh_token("k", "R1")

    assert await wxcv.RedisStore(redis).load_refresh_token("k") == "R1"
    assert await wxcv.RedisStore(redis, prefix="other").load_refresh_token("k") is None


async def test_keys_hold_no_secret(redis: Redis) -> None:
    """The keys tell prefix, kind and account, and no token."""
    store = wxcv.RedisStore(redis, prefix="shop")
    await store.save("classic:wx1", STORED)
    await store.acquire("classic:wx1", "me")
    await store.claim_forced_refresh("classic:wx1", NOW)
    await store.save_refresh_token("classic:wx1", "MARKED-R")
    keys = sorted(key if isinstance(key, str) else key.decode() for key in await redis.keys())

    assert keys == [f"shop:{{classic:wx1}}:{what}" for what in ("forced", "lease", "refresh_token", "token")]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe",
        b"",
        b"{}",
        b"wxcv1 x y z",
        b"wxcv9 1 2 T",
        b"wxcv1 1 . T",
        b"wxcv1 1 1.2.3 T",
        b"wxcv1 1 9 \xff",
    ],
)
async def test_garbage_counts_as_nothing(server: RedisServer, garbage: bytes) -> None:
    """What is under our keys and not ours is ignored, and overwritten by the next token."""
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        for what in ("token", "forced"):
            await redis.set(f"wxcv:{{k}}:{what}", garbage)

        assert await store.load("k") is None
        assert await store.claim_forced_refresh("k", NOW)
        await store.invalidate("k", "T")
        assert await store.save("k", STORED)


async def test_a_key_of_another_type_counts_as_nothing(redis: Redis) -> None:
    """A list under our keys is ignored, and overwritten by the next token."""
    store = wxcv.RedisStore(redis)
    for what in ("token", "forced", "refresh_token"):
        await redis.rpush(f"wxcv:{{k}}:{what}", "x")

    assert await store.load("k") is None
    assert await store.load_refresh_token("k") is None
    assert await store.save("k", STORED)


@pytest.mark.parametrize("how", ["killed", "paused", "read-only", "full"])
async def test_a_redis_that_fails_is_a_store_error(server: RedisServer, how: str) -> None:
    """A Redis that is gone, paused, read-only or full ends an operation in a StoreError without its text."""
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        if how == "killed":
            await server.stop()
        elif how == "paused":
            await redis.execute_command("CLIENT", "PAUSE", "4000")
        elif how == "read-only":
            await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        else:
            await redis.config_set("maxmemory", "1")
        with pytest.raises(wxcv.StoreError) as caught:
            await store.save("k", STORED)

    assert "MARKED" not in f"{caught.value!r} {caught.value.__context__!r}"


async def test_a_cancelled_operation_does_not_mix_answers(server: RedisServer) -> None:
    """After a thousand operations cancelled at any moment, every answer belongs to its own key."""
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        for number in range(3):
            await store.save(f"k{number}", wxcv.StoredToken(f"T{number}", 1, NOW, 100.0))
        for number in range(1000):
            task = asyncio.create_task(store.load("k1"))
            for _ in range(number % 8):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            loaded = await store.load(f"k{number % 3}")
            assert loaded is not None
            assert loaded.value == f"T{number % 3}"


def test_a_store_checks_its_settings() -> None:
    """A prefix with blanks and a lease shorter than a refresh are refused, and so is a store that is none."""
    with pytest.raises(ValueError, match="prefix"):
        wxcv.RedisStore(Redis(), prefix="a b")
    with pytest.raises(ValueError, match="lease must be a finite number of seconds above 10"):
        wxcv.RedisStore(Redis(), lease=10)
    with pytest.raises(TypeError, match="store must be a Store"):
        wxcv.TokenCache({})  # type: ignore[arg-type]


async def test_what_is_no_lease_is_overwritten(redis: Redis) -> None:
    """A lease that would never end, and a key of another type, hold nobody up."""
    store = wxcv.RedisStore(redis)
    await redis.set("wxcv:{a}:lease", "foreign")
    for key in "bc":
        await redis.rpush(f"wxcv:{{{key}}}:lease", "foreign")  # type: ignore[misc] # redis-py says it may be no awaitable
    await redis.pexpire("wxcv:{c}:lease", 60_000)

    assert [await store.acquire(key, "me") for key in "abc"] == [True, True, True]
    assert [await store.acquire(key, "other") for key in "abc"] == [False, False, False]


def test_a_client_of_another_event_loop_is_a_store_that_does_not_work(server: RedisServer) -> None:
    """A Redis client that is bound to another event loop is a StoreError."""
    redis = server.client()
    store = wxcv.RedisStore(redis)
    with asyncio.Runner() as its_own:
        its_own.run(store.load("k"))
        with asyncio.Runner() as another, pytest.raises(wxcv.StoreError, match="RuntimeError"):
            another.run(store.load("k"))
        its_own.run(redis.aclose())


async def test_the_scripts_survive_being_flushed(redis: Redis) -> None:
    """After SCRIPT FLUSH, as after a failover, every operation works as before."""
    store = wxcv.RedisStore(redis)
    for generation in (1, 2):
        assert await store.save("k", wxcv.StoredToken("T", generation, NOW + 100, 100.0))
        await redis.script_flush()
        assert (await store.load("k")).generation == generation  # type: ignore[union-attr]
        await redis.script_flush()
        assert await store.acquire("k", "me")
        await redis.script_flush()
        await store.release("k", "me")
        await redis.script_flush()
        await store.invalidate("k", "T")
        await redis.script_flush()
        assert (await store.load("k")).ends_at == 0  # type: ignore[union-attr]
        assert await store.claim_forced_refresh("k", NOW + 60 * generation)
        await redis.script_flush()
        await store.save_refresh_token("k", f"R{generation}")
        await redis.script_flush()
        assert await store.load_refresh_token("k") == f"R{generation}"
        await redis.script_flush()


async def test_only_the_leases_owner_may_store(redis: Redis) -> None:
    """A token is not stored for an owner whose lease has passed to another, though it is no newer."""
    store = wxcv.RedisStore(redis)
    await store.acquire("k", "new owner")

    assert not await store.save("k", STORED, "old owner")
    assert await store.save("k", STORED, "new owner")


def test_a_stored_token_cannot_be_pickled() -> None:
    """A StoredToken refuses to be pickled, and the error does not show its value."""
    with pytest.raises(TypeError, match="cannot be pickled") as refusal:
        pickle.dumps(STORED)

    assert STORED.value not in str(refusal.value)
