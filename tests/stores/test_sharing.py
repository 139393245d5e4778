"""Token managers that share a store."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, CLASSIC
from support.stored import NOW

import wxcv
from wxcv.clock import SystemClock
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from support.redis_server import RedisServer

    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request


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


@pytest.mark.parametrize("credential", [CLASSIC, APP], ids=["classic", "stable"])
async def test_a_second_process_adopts_the_token(server: RedisServer, credential: wxcv.AppCredential) -> None:
    """A cache that finds a living token in the store uses it and asks for none."""
    wechat = WeChat()
    async with server.client() as redis:
        caches = [TokenManager(SystemClock(), wxcv.RedisStore(redis)) for _ in range(3)]
        tokens = [await cache.get(credential, wechat.send) for cache in caches]

    assert len(set(tokens)) == 1
    assert wechat.tokens_issued == 1


async def test_a_refusal_reaches_the_other_processes(server: RedisServer) -> None:
    """After a refusal one cache asks for a new token, and the other adopts it, also after its own refusal."""
    wechat = WeChat()
    refusal = wxcv.TokenRejectedError(40001, "no")
    async with server.client() as redis:
        one, other = (TokenManager(SystemClock(), wxcv.RedisStore(redis)) for _ in range(2))
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
        tokens = await asyncio.gather(*(cache.get(APP, wechat.send) for _ in range(5)))

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


@pytest.mark.parametrize("credential", [CLASSIC, APP], ids=["classic", "stable"])
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
        caches = [TokenManager(SystemClock(), wxcv.RedisStore(redis)) for _ in range(2)]
        for cache in caches:
            assert await cache.get(APP, send) == "S0"
        for cache in caches:
            cache.invalidate(APP, "S0", refusal)
            assert await cache.get(APP, send) == "S1"

    assert forced == 1


async def test_one_process_asks_while_the_others_watch(server: RedisServer) -> None:
    """Of five caches that need a classic token at once, one asks, and the others get what it stored."""
    wechat = WeChat()

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.3)
        return await wechat.send(request)

    async with server.client() as redis:
        caches = [TokenManager(SystemClock(), wxcv.RedisStore(redis)) for _ in range(5)]
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
            await TokenManager(SystemClock(), store).get(merchant, wechat.send)

    assert (store.asked, wechat.tokens_issued) == (1, 0)


async def test_a_newer_token_wins_over_a_late_one(server: RedisServer) -> None:
    """If a newer token was stored while one was fetched, the newer one is used."""
    wechat = WeChat()
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)

        async def send(request: Request) -> Response:
            await store.save(CLASSIC.key, wxcv.StoredToken("newer", 7, time.time() + 500, 500.0))
            return await wechat.send(request)

        assert await TokenManager(SystemClock(), store).get(CLASSIC, send) == "newer"
        assert (await store.load(CLASSIC.key)).generation == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("moved", [-3600.0, 3600.0])
async def test_a_stored_end_is_checked_both_ways(server: RedisServer, moved: float) -> None:
    """A token is not used beyond what either the writer's clock or Redis's own count allows."""
    clock = wxcv.ManualClock(wall=NOW + moved)
    wechat = WeChat()
    async with server.client() as redis:
        store = wxcv.RedisStore(redis)
        await store.save(CLASSIC.key, wxcv.StoredToken("old", 1, NOW + 100, 100.0))
        cache = TokenManager(clock, store)
        first = await cache.get(CLASSIC, wechat.send)
        clock.advance(101)

        assert first == ("old" if moved < 0 else "T1")
        assert cache.get_nowait(CLASSIC, wechat.send) == (None if moved < 0 else "T1")
