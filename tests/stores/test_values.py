"""What a store keeps under its keys, for how long, and what of it is believed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.accounts import SECRET
from support.redis_server import RedisServer

import wxcv
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from wxcv.protocol.requests import Request

NOW = 1_700_000_000.0
FOR_A_TIME = ("token", "forced", "lease", "quota", "given_back", "answer")
TODAY = int(NOW // 86_400)
TOKEN = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)
STABLE = wxcv.AppCredential("wx1", SECRET)
KEY = "wxcv:{stable:wx1}:token"


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """A client of a Redis of this test alone."""
    server = RedisServer()
    await server.start()
    async with server.client(decode_responses=True) as client:
        yield client
    await server.aclose()


@pytest.mark.parametrize("value", ["T\u00e9", "T\u2028"], ids=["accent", "line separator"])
async def test_a_token_that_cannot_be_one_is_none(redis: Redis, value: str) -> None:
    """A token with other characters than a URL can carry is ignored, and overwritten."""
    store = wxcv.RedisStore(redis)
    await redis.set("wxcv:{k}:token", f"wxcv1 9 {NOW + 100} {value}", px=3_700_000)

    assert await store.load("k") is None


def test_a_missing_package_is_told_by_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redis is not installed, the constructor says what to install."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(ImportError, match=r'python -m pip install "wxcv\[redis\]"'):
        wxcv.RedisStore(object())  # type: ignore[arg-type] # there is no Redis class to have one of


@pytest.mark.parametrize(
    "foreign",
    ["old wxcv1 9 9 T", "wxcv1 9 9 T U", "wxcv1 9 9 T\n", "\nwxcv1 9 9 T", "wxcv2 9 9 T", "wxcv1 9 9 "],
)
async def test_what_only_holds_a_token_is_none(redis: Redis, foreign: str) -> None:
    """A text with something before or after what looks like a token is ignored, and overwritten."""
    store = wxcv.RedisStore(redis)
    await redis.set("wxcv:{k}:token", foreign)

    assert await store.load("k") is None
    assert await store.save("k", TOKEN)


@pytest.mark.parametrize("foreign", [f"x {TODAY} 10 0", f"{TODAY} 10 0 x", f"{TODAY} 10 x"])
async def test_what_only_holds_a_count_is_none(redis: Redis, foreign: str) -> None:
    """A text with something before or after what looks like a count of forced refreshes is ignored."""
    await redis.set("wxcv:{k}:forced", foreign)

    assert await wxcv.RedisStore(redis).count_forced_refresh("k", NOW)


async def test_a_count_of_forced_refreshes_is_believed(redis: Redis) -> None:
    """What a store wrote is counted: the day, how many, and the moment of the last."""
    store = wxcv.RedisStore(redis)
    await redis.set("wxcv:{k}:forced", f"{TODAY} 9 {int(NOW) - 30}")

    assert await store.count_forced_refresh("k", NOW)
    assert await redis.get("wxcv:{k}:forced") == f"{TODAY} 10 {int(NOW)}"
    assert not await store.count_forced_refresh("k", NOW + 1000)


async def test_everything_but_a_refresh_token_ends_by_itself(redis: Redis) -> None:
    """A token is kept for an hour longer than it lives, a count for two days, a lease for its seconds,
    what is counted for a week, what was given back for the day, and an answer for its time."""
    store = wxcv.RedisStore(redis, lease=20)
    await store.save("k", TOKEN)
    await store.count_forced_refresh("k", NOW)
    await store.acquire("k", "me")
    await store.save_refresh_token("k", "R")
    taken = await store.take("k", 1)
    await store.give_back("k", taken)
    await store.keep_answer("k", "{}", 60)
    left = {what: await redis.pttl(f"wxcv:{{k}}:{what}") / 1000 for what in FOR_A_TIME}

    assert 3600 + 50 < left["token"] <= 3600 + 100
    assert 86_400 < left["forced"] <= 2 * 86_400
    assert 10 < left["lease"] <= 20
    assert 6 * 86_400 < left["quota"] <= 7 * 86_400
    assert 50 < left["answer"] <= 60
    assert -10 < left["given_back"] - (taken.resets_at - time.time()) <= 1
    assert await redis.pttl("wxcv:{k}:refresh_token") == -1


async def test_a_token_is_stored_for_an_hour_longer_than_it_lives(redis: Redis) -> None:
    """To the millisecond, so that the next token always finds the generation of the one before."""
    async with redis.monitor() as monitor:
        await wxcv.RedisStore(redis).save("k", wxcv.StoredToken("T", 1, NOW + 100.5, 100.5))
        while "EVAL" not in (seen := (await monitor.next_command())["command"]).upper():
            pass

    assert seen.endswith(f"1 {NOW + 100.5:.3f} T 3700500 ")


async def test_a_refused_token_ends_when_it_would_have_ended(redis: Redis) -> None:
    """To mark a token as refused does not change for how long its generation is kept."""
    store = wxcv.RedisStore(redis)
    await store.save("k", TOKEN)
    await store.invalidate("k", TOKEN.value)

    assert 3600 < (await redis.pttl("wxcv:{k}:token")) / 1000 <= 3600 + 100
    assert await redis.get("wxcv:{k}:token") == "wxcv1 1 0 MARKED-T1"


@pytest.mark.parametrize(("paused", "fits"), [(1000, True), (60_000, False)], ids=["a second", "a minute"])
async def test_an_operation_may_take_two_seconds(redis: Redis, paused: int, *, fits: bool) -> None:
    """An operation on a Redis that stands still for a second ends well; for longer, it is a StoreError."""
    store = wxcv.RedisStore(redis)
    await redis.execute_command("CLIENT", "PAUSE", str(paused))
    if fits:
        assert await store.save("k", TOKEN)
    else:
        with pytest.raises(wxcv.StoreError, match="TimeoutError"):
            await store.save("k", TOKEN)


# --- what a cache makes of it


async def send(_request: Request) -> Response:
    """Answer a token request."""
    return Response(200, {}, b'{"access_token":"NEW","expires_in":7200}')


async def test_a_token_is_stored_with_the_seconds_that_it_has_left(redis: Redis) -> None:
    """However long the program has run, a token of two hours is stored as one of two hours."""
    clock, store = wxcv.ManualClock(wall=NOW), wxcv.RedisStore(redis)
    clock.advance(1000)

    async def slow(request: Request) -> Response:
        clock.advance(3)
        return await send(request)

    await TokenManager(clock, store).get(STABLE, slow)
    stored = await store.load(STABLE.key)

    assert stored is not None
    assert (stored.ends_at, stored.generation) == (NOW + 1000 + 7200, 1)
    assert 7100 < stored.left <= 7197


@pytest.mark.parametrize(
    ("ends_in", "left", "adopted"),
    [
        (500.0, 1000.0, 500.0),
        (1000.0, 500.0, 500.0),
        (0.5, 1000.0, 0.5),
        (0.0, 1000.0, None),
        (1000.0, 0.0, None),
    ],
)
async def test_a_stored_token_ends_when_either_clock_says_so(
    redis: Redis, ends_in: float, left: float, adopted: float | None
) -> None:
    """Of its end by the wall clock and its life by Redis's own, the shorter one counts."""
    clock, store = wxcv.ManualClock(wall=NOW), wxcv.RedisStore(redis)
    clock.advance(1000)
    await store.save(STABLE.key, wxcv.StoredToken("STORED", 1, clock.wall() + ends_in, left))
    token = await TokenManager(clock, store).get_access_token(STABLE, send)

    if adopted is None:
        assert (token.value, token.expires_in) == ("NEW", 7200)
    else:
        assert token.value == "STORED"
        assert adopted - 50 < token.expires_in <= adopted


async def test_a_new_token_has_the_next_generation(redis: Redis) -> None:
    """A token that replaces one that ended is stored with a generation that is higher by one."""
    clock, store = wxcv.ManualClock(wall=time.time()), wxcv.RedisStore(redis)
    await store.save(STABLE.key, wxcv.StoredToken("ENDED", 41, clock.wall() - 1, 10.0))
    await TokenManager(clock, store).get(STABLE, send)

    assert (await redis.get(KEY)).startswith("wxcv1 42 ")
