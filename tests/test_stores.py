"""Tokens shared between processes, on a real Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer, worker_command
from servers import SECRET

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request
    from wxcv.sandbox import Sandbox

NOW = 1_700_000_000.0
TOKEN = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    """A Redis of this test alone."""
    running = RedisServer()
    await running.start()
    yield running
    await running.aclose()


@pytest.fixture(params=[False, True], ids=["bytes", "str"])
async def redis(server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A client that gives bytes, or strings."""
    async with server.client(decode_responses=request.param) as client:
        yield client


async def test_a_token_is_stored_with_its_life(redis: Redis) -> None:
    """A stored token is loaded with its generation, its end, and the life that Redis counts by itself."""
    store = wxcv.RedisStore(redis)
    assert await store.load("k") is None
    assert await store.save("k", TOKEN)
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
    await store.save("k", TOKEN)
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
    assert await stores[0].may_force("k", NOW)
    assert not await stores[1].may_force("k", NOW + 29)
    assert await stores[1].may_force("k", NOW + 30)
    allowed = [await stores[n % 2].may_force("k", NOW + 60 + 30 * n) for n in range(20)]

    assert allowed == [True] * 8 + [False] * 12
    assert await stores[0].may_force("k", NOW + 86_400)


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
    await store.may_force("classic:wx1", NOW)
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
        assert await store.may_force("k", NOW)
        await store.invalidate("k", "T")
        assert await store.save("k", TOKEN)


async def test_a_key_of_another_type_counts_as_nothing(redis: Redis) -> None:
    """A list under our keys is ignored, and overwritten by the next token."""
    store = wxcv.RedisStore(redis)
    for what in ("token", "forced", "refresh_token"):
        await redis.rpush(f"wxcv:{{k}}:{what}", "x")

    assert await store.load("k") is None
    assert await store.load_refresh_token("k") is None
    assert await store.save("k", TOKEN)


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
            await store.save("k", TOKEN)

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


# --- a cache with a store


CLASSIC = wxcv.AppCredential("wx1", SECRET, stable=False)
STABLE = wxcv.AppCredential("wx1", SECRET)


class WeChat:
    """Token endpoints in memory: every classic answer is new, every stable one the same."""

    def __init__(self) -> None:
        self.tokens_issued = 0

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        from wxcv.protocol.answers import Response

        self.tokens_issued += 1
        value = f"T{self.tokens_issued}" if request.method == "GET" else "S1"
        return Response(200, {}, f'{{"access_token":"{value}","expires_in":7200}}'.encode())


@pytest.mark.parametrize("credential", [CLASSIC, STABLE], ids=["classic", "stable"])
async def test_a_second_process_adopts_the_token(server: RedisServer, credential: wxcv.AppCredential) -> None:
    """A cache that finds a living token in the store uses it and asks for none."""
    wechat = WeChat()
    async with server.client() as redis:
        caches = [wxcv.TokenCache(wxcv.RedisStore(redis)) for _ in range(3)]
        tokens = [await cache.get(credential, wechat.send) for cache in caches]

    assert len(set(tokens)) == 1
    assert wechat.tokens_issued == 1


async def test_a_refusal_reaches_the_other_processes(server: RedisServer) -> None:
    """After a refusal one cache asks for a new token, and the other adopts it, also after its own refusal."""
    wechat = WeChat()
    refusal = wxcv.TokenRejectedError(40001, "no")
    async with server.client() as redis:
        one, other = (wxcv.TokenCache(wxcv.RedisStore(redis)) for _ in range(2))
        for cache in (one, other):
            assert await cache.get(CLASSIC, wechat.send) == "T1"
        for cache in (one, other):
            cache.invalidate(CLASSIC, "T1", refusal)
            assert await cache.get(CLASSIC, wechat.send) == "T2"

    assert wechat.tokens_issued == 2


async def test_without_redis_a_living_token_is_used_on(server: RedisServer) -> None:
    """A cache whose Redis dies goes on with the token it has."""
    wechat = WeChat()
    async with server.client() as redis:
        cache = wxcv.TokenCache(wxcv.RedisStore(redis))
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
        cache = wxcv.TokenCache(wxcv.RedisStore(redis))
        tokens = await asyncio.gather(*(cache.get(STABLE, wechat.send) for _ in range(5)))

    assert set(tokens) == {"S1"}
    assert wechat.tokens_issued == 1
    assert [record.levelno for record in caplog.records if record.name == "wxcv"] == [logging.WARNING]


async def test_without_redis_the_classic_kind_fails_closed(server: RedisServer) -> None:
    """Without Redis and without a token, a classic token is not asked for: it would break the others'."""
    wechat = WeChat()
    await server.stop()
    async with server.client() as redis:
        cache = wxcv.TokenCache(wxcv.RedisStore(redis))
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
        cache = wxcv.TokenCache(wxcv.RedisStore(redis))
        assert await cache.get(credential, send) in {"T1", "S1"}

    assert wechat.tokens_issued == 1
    assert "not shared" in caplog.text


async def test_a_dead_stable_token_is_forced_once_by_all(server: RedisServer) -> None:
    """Of two caches with the same dead stable token only one forces; the other adopts, or is told."""
    forced = 0

    async def send(request: Request) -> Response:
        nonlocal forced
        from wxcv.protocol.answers import Response

        assert request.body is not None
        forced += b'"force_refresh": true' in request.body.parts[0]
        return Response(200, {}, f'{{"access_token":"S{forced}","expires_in":7200}}'.encode())

    refusal = wxcv.TokenRejectedError(40001, "no")
    async with server.client() as redis:
        caches = [wxcv.TokenCache(wxcv.RedisStore(redis)) for _ in range(2)]
        for cache in caches:
            assert await cache.get(STABLE, send) == "S0"
        for cache in caches:
            cache.invalidate(STABLE, "S0", refusal)
            assert await cache.get(STABLE, send) == "S1"

    assert forced == 1


async def test_one_process_asks_while_the_others_watch(server: RedisServer) -> None:
    """Of five caches that need a classic token at once, one asks, and the others get what it stored."""
    wechat = WeChat()

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.3)
        return await wechat.send(request)

    async with server.client() as redis:
        caches = [wxcv.TokenCache(wxcv.RedisStore(redis)) for _ in range(5)]
        tokens = await asyncio.gather(*(cache.get(CLASSIC, slow) for cache in caches))

    assert set(tokens) == {"T1"}
    assert wechat.tokens_issued == 1


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
            await wxcv.TokenCache(store).get(merchant, wechat.send)

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


async def test_only_the_leases_owner_may_store(redis: Redis) -> None:
    """A token is not stored for an owner whose lease has passed to another, though it is no newer."""
    store = wxcv.RedisStore(redis)
    await store.acquire("k", "new owner")

    assert not await store.save("k", TOKEN, "old owner")
    assert await store.save("k", TOKEN, "new owner")


async def test_a_newer_token_wins_over_a_late_one(server: RedisServer) -> None:
    """If a newer token was stored while one was fetched, the newer one is used."""
    wechat = WeChat()
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)

        async def send(request: Request) -> Response:
            await store.save(CLASSIC.key, wxcv.StoredToken("newer", 7, time.time() + 500, 500.0))
            return await wechat.send(request)

        assert await wxcv.TokenCache(store).get(CLASSIC, send) == "newer"
        assert (await store.load(CLASSIC.key)).generation == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("moved", [-3600.0, 3600.0])
async def test_a_stored_end_is_checked_both_ways(server: RedisServer, moved: float) -> None:
    """A token is not used beyond what either the writer's clock or Redis's own count allows."""
    clock = wxcv.ManualClock(wall=NOW + moved)
    wechat = WeChat()
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        await store.save(CLASSIC.key, wxcv.StoredToken("old", 1, NOW + 100, 100.0))
        cache = wxcv.TokenCache(store, clock=clock)
        first = await cache.get(CLASSIC, wechat.send)
        clock.advance(101)

        assert first == ("old" if moved < 0 else "T1")
        assert cache.get_nowait(CLASSIC, wechat.send) == (None if moved < 0 else "T1")


# --- several processes


async def worker(
    box: Sandbox, server: RedisServer, *, tasks: int = 1, lease: float = 12.0, then: str = "go"
) -> asyncio.subprocess.Process:
    """Start a process that is ready to ask."""
    words = (box.base_url, server.path, box.appid, box.secret, str(tasks), str(lease), then)
    process = await asyncio.create_subprocess_exec(
        *worker_command("token_worker.py", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


def go(process: asyncio.subprocess.Process) -> None:
    """Let it ask."""
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def line(process: asyncio.subprocess.Process) -> list[str]:
    """Read its next line."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        return (await process.stdout.readline()).decode().split()


async def result(process: asyncio.subprocess.Process) -> list[str]:
    """Read the token that its tasks got, past what it said before."""
    while (said := await line(process)) == ["minted"]:
        pass
    await process.wait()
    return said[1:]


async def test_eight_processes_ask_once_when_the_token_has_ended(server: RedisServer, box: Sandbox) -> None:
    """Eight processes with fifty tasks each, whose shared classic token has ended, ask for one new token."""
    async with server.client() as redis:
        ended = wxcv.StoredToken("ended", 3, time.time() - 1, 1.0)
        await wxcv.RedisStore(redis).save(f"classic:{box.appid}", ended)
    processes = [await worker(box, server, tasks=50) for _ in range(8)]
    for process in processes:
        go(process)
    tokens = [await result(process) for process in processes]

    assert box.tokens_issued["classic"] == 1
    assert all(token == tokens[0] and len(token) == 1 for token in tokens)


async def test_a_holder_that_is_killed_is_replaced_when_its_lease_ends(
    server: RedisServer, box: Sandbox
) -> None:
    """If the lease's holder is killed before it stores its token, another asks after the lease, once."""
    dying = await worker(box, server, lease=0.5, then="hang")
    go(dying)
    assert await line(dying) == ["minted"]
    waiting = await worker(box, server, lease=0.5)
    go(waiting)
    dying.kill()
    await dying.wait()

    assert len(await result(waiting)) == 1
    assert box.tokens_issued["classic"] == 2


async def test_a_holder_that_was_stopped_past_its_lease_does_not_overwrite(
    server: RedisServer, box: Sandbox
) -> None:
    """If the lease's holder sleeps past its lease, its late token is refused, and it uses the newer one."""
    sleeping = await worker(box, server, lease=0.5, then="pause")
    go(sleeping)
    assert await line(sleeping) == ["minted"]
    os.kill(sleeping.pid, signal.SIGSTOP)
    awake = await worker(box, server, lease=0.5)
    go(awake)
    newer = await result(awake)
    os.kill(sleeping.pid, signal.SIGCONT)

    assert await result(sleeping) == newer
    assert box.tokens_issued["classic"] == 2


def test_a_stored_token_cannot_be_pickled() -> None:
    """A StoredToken refuses to be pickled, and the error does not show its value."""
    with pytest.raises(TypeError, match="cannot be pickled") as refusal:
        pickle.dumps(wxcv.StoredToken("TOKENVALUE", 1, 0.0, 0.0))

    assert "TOKENVALUE" not in str(refusal.value)
