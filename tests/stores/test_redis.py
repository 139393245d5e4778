"""What is particular to RedisStore, on a real Redis."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis, RedisCluster
from support.accounts import SECRET
from support.wechat import WeChat

import wxcv
from wxcv.clock import SystemClock
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from support.redis_server import RedisServer

    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request

NOW = 1_700_000_000.0
TOKEN = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)


async def test_the_newest_refresh_token_is_shared(redis: Redis) -> None:
    """A refresh token that one process keeps is known to the others."""
    await wxcv.RedisStore(redis).save_refresh_token("k", "R1")

    assert await wxcv.RedisStore(redis).load_refresh_token("k") == "R1"
    assert await wxcv.RedisStore(redis, prefix="other").load_refresh_token("k") is None


async def test_keys_hold_no_secret(redis: Redis) -> None:
    """The keys tell prefix, kind and account, and no token."""
    store = wxcv.RedisStore(redis, prefix="shop")
    await store.save("classic:wx1", TOKEN)
    await store.acquire("classic:wx1", "me")
    await store.count_forced_refresh("classic:wx1", NOW)
    await store.save_refresh_token("classic:wx1", "MARKED-R")
    await store.give_back("classic:wx1", await store.take("classic:wx1", 1))
    await store.keep_answer("classic:wx1", "MARKED", 60)
    keys = sorted(key if isinstance(key, str) else key.decode() for key in await redis.keys())

    assert keys == [
        f"shop:{{classic:wx1}}:{what}"
        for what in ("answer", "forced", "given_back", "lease", "quota", "refresh_token", "token")
    ]


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
        assert await store.count_forced_refresh("k", NOW)
        await store.invalidate("k", "T")
        assert await store.save("k", TOKEN)


async def test_a_key_of_another_type_counts_as_nothing(redis: Redis) -> None:
    """A list under our keys is ignored, and overwritten by the next token."""
    store = wxcv.RedisStore(redis)
    for what in ("token", "forced", "refresh_token", "answer"):
        await redis.rpush(f"wxcv:{{k}}:{what}", "x")

    assert await store.load("k") is None
    assert await store.find_answer("k") is None
    await store.keep_answer("k", "{}", 60)
    assert await store.find_answer("k") == "{}"
    assert await store.load_refresh_token("k") is None
    assert await store.save("k", TOKEN)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("killed", "Redis cannot be reached ("),
        ("paused", "Redis cannot be reached (TimeoutError); is it running?"),
        ("read-only", "Redis failed ("),
        ("full", "Redis failed ("),
    ],
)
async def test_a_redis_that_fails_is_a_store_error(server: RedisServer, how: str, message: str) -> None:
    """A Redis that is gone, paused, read-only or full is a StoreError that tells which, without its text."""
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        if how == "killed":
            await server.stop()
        elif how == "paused":
            await redis.execute_command("CLIENT", "PAUSE", "60000")
        elif how == "read-only":
            await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        else:
            await redis.config_set("maxmemory", "1")
        with pytest.raises(wxcv.StoreError) as caught:
            await store.save("k", TOKEN)
        with pytest.raises(wxcv.StoreError):
            await store.take("k", 1)

    assert str(caught.value).startswith(message)
    assert "MARKED" not in f"{caught.value!r} {caught.value.__context__!r}"


FOREIGN = [
    "",
    "5",
    "wxcv1 1 2 3 4",
    "wxcv1 1 2 0",
    "wxcv2 1 2 0 -",
    "x wxcv1 1 2 0 -",
    "wxcv1 1 2 0 - x",
    None,
]


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_what_is_no_count_is_never_taken_for_none(redis: Redis, foreign: str | None) -> None:
    """A key that holds something other than a count is a StoreError that names it, and is left as it is."""
    store = wxcv.RedisStore(redis)
    taken = await store.take("other", 1)
    await (redis.rpush("wxcv:{k}:quota", "x") if foreign is None else redis.set("wxcv:{k}:quota", foreign))
    before = await redis.dump("wxcv:{k}:quota") if foreign is None else await redis.get("wxcv:{k}:quota")
    for operation in (
        *(store.take("k", 1), store.give_back("k", taken), store.mark_day_spent("k", taken)),
        store.release_probe("k", wxcv.Taken(1, taken.resets_at, is_probe=True)),
        *(store.mark_market_spent("k"), store.clear_marks("k"), store.load_usage("k")),
    ):
        with pytest.raises(
            wxcv.StoreError, match=r"wxcv:\{k\}:quota in Redis holds no count of wxcv; delete"
        ):
            await operation

    assert before == (
        await redis.dump("wxcv:{k}:quota") if foreign is None else await redis.get("wxcv:{k}:quota")
    )


async def test_an_answer_of_somebody_else_is_bounded(redis: Redis) -> None:
    """A huge text under the key of an answer is not fetched."""
    await redis.set("wxcv:{k}:answer", "x" * (1024 * 1024 + 1))

    assert await wxcv.RedisStore(redis).find_answer("k") is None


def test_a_store_checks_its_settings() -> None:
    """A prefix with blanks and a lease shorter than a refresh are refused, and so is a store that is none."""
    with pytest.raises(ValueError, match="prefix"):
        wxcv.RedisStore(Redis(), prefix="a b")
    with pytest.raises(ValueError, match="lease must be a number of seconds above 10 and at most"):
        wxcv.RedisStore(Redis(), lease=10)
    with pytest.raises(TypeError, match="store must be a TokenStore"):
        wxcv.TokenCache({})  # type: ignore[arg-type]


# --- a cache with a store


CLASSIC = wxcv.AppCredential("wx1", SECRET, stable=False)
STABLE = wxcv.AppCredential("wx1", SECRET)


async def test_without_redis_a_living_token_is_used_on(server: RedisServer) -> None:
    """A cache whose Redis dies goes on with the token it has."""
    wechat = WeChat()
    async with server.client() as redis:
        cache = TokenManager(SystemClock(), wxcv.RedisStore(redis))
        await cache.get(CLASSIC, wechat.send)
        await server.stop()

        assert await cache.get(CLASSIC, wechat.send) == "T1"


async def test_without_redis_the_stable_kind_asks_by_itself(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Without Redis and without a token, a stable token is asked for once, and that is logged."""
    wechat = WeChat()
    await server.stop()
    async with server.client() as redis:
        cache = TokenManager(SystemClock(), wxcv.RedisStore(redis))
        tokens = await asyncio.gather(*(cache.get(STABLE, wechat.send) for _ in range(5)))

    assert set(tokens) == {"S1"}
    assert wechat.tokens_issued == 1
    assert [record.levelno for record in caplog.records if record.name == "wxcv"] == [logging.WARNING]


async def test_without_redis_the_classic_kind_fails_closed(server: RedisServer) -> None:
    """Without Redis and without a token, a classic token is not asked for: it would break the others'."""
    wechat = WeChat()
    await server.stop()
    async with server.client() as redis:
        cache = TokenManager(SystemClock(), wxcv.RedisStore(redis))
        with pytest.raises(wxcv.StoreError):
            await cache.get(CLASSIC, wechat.send)

    assert wechat.tokens_issued == 0


@pytest.mark.parametrize("credential", [CLASSIC, STABLE], ids=["classic", "stable"])
async def test_a_redis_that_dies_before_the_token_is_stored_costs_nothing(
    server: RedisServer, credential: wxcv.AppCredential, caplog: pytest.LogCaptureFixture
) -> None:
    """If Redis dies while a token is fetched, the token is used here all the same."""
    wechat = WeChat()

    async def send(request: Request) -> Response:
        await server.stop()
        return await wechat.send(request)

    async with server.client() as redis:
        cache = TokenManager(SystemClock(), wxcv.RedisStore(redis))
        assert await cache.get(credential, send) in {"T1", "S1"}

    assert wechat.tokens_issued == 1
    assert "not stored" in caplog.text


class _Forgetful(wxcv.RedisStore):
    """A store that loses its Redis when the newest refresh token is looked up."""

    asked = 0

    async def load_refresh_token(self, key: str) -> str | None:
        self.asked += 1
        raise wxcv.StoreError(key)


async def test_a_refresh_token_that_cannot_be_looked_up_fails_closed(server: RedisServer) -> None:
    """If the newest refresh token cannot be looked up, an older one is not tried, and nothing is sent."""
    wechat = WeChat()
    component = wxcv.ComponentCredential("wxp", "s", "t")
    merchant = wxcv.AuthorizerCredential(component, "wxm", "old")
    async with server.client() as redis:
        store = _Forgetful(redis)
        with pytest.raises(wxcv.StoreError):
            await TokenManager(SystemClock(), store).get(merchant, wechat.send)

    assert (store.asked, wechat.tokens_issued) == (1, 0)


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
        assert await store.count_forced_refresh("k", NOW + 60 * generation)
        await redis.script_flush()
        await store.save_refresh_token("k", f"R{generation}")
        await redis.script_flush()
        assert await store.load_refresh_token("k") == f"R{generation}"
        await redis.script_flush()
        assert (await store.take("k", 2)).number == generation
        await redis.script_flush()
        await store.keep_answer("k", "{}", 60)
        await redis.script_flush()
        assert await store.find_answer("k") == "{}"
        await redis.script_flush()


async def test_a_cluster_that_cannot_be_reached_is_a_store_error() -> None:
    """Without any node of a cluster operations are StoreErrors, and a stable token is fetched here."""
    wechat, cluster = WeChat(), RedisCluster(host="127.0.0.1", port=1)
    store = wxcv.RedisStore(cluster)
    with pytest.raises(wxcv.StoreError, match="RedisClusterException"):
        await store.load("k")

    assert (
        await TokenManager(SystemClock(), store).get(wxcv.AppCredential("wx1", SECRET), wechat.send) == "S1"
    )
