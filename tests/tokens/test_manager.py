"""One token for all, one refresh for all."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, REFUSAL
from support.tokens import Endpoint, turn

import wxcv
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from wxcv.protocol.requests import Request


async def test_a_living_token_is_had_without_waiting(cache: TokenManager) -> None:
    """Once fetched, the token is there at once and no further request is made."""
    wechat = Endpoint()

    assert cache.get_nowait(APP, wechat.send) is None
    assert [await cache.get(APP, wechat.send) for _ in range(3)] == ["T1"] * 3
    assert cache.get_nowait(APP, wechat.send) == "T1"
    assert wechat.tokens_issued == 1


async def test_a_thousand_cold_callers_make_one_request(cache: TokenManager) -> None:
    """A thousand callers that find no token share one refresh."""
    wechat = Endpoint()
    tokens = await asyncio.gather(*(cache.get(APP, wechat.send) for _ in range(1000)))

    assert set(tokens) == {"T1"}
    assert wechat.tokens_issued == 1


async def test_cancelling_the_first_caller_hurts_nobody(cache: TokenManager) -> None:
    """Of fifty callers the first, which started the refresh, is cancelled; 49 are served by one request."""
    wechat = Endpoint()
    wechat.open.clear()
    callers = [asyncio.create_task(cache.get(APP, wechat.send)) for _ in range(50)]
    await turn()
    callers[0].cancel()
    await turn()
    wechat.open.set()
    results = await asyncio.gather(*callers, return_exceptions=True)

    assert [type(result).__name__ for result in results] == ["CancelledError"] + ["str"] * 49
    assert wechat.tokens_issued == 1


async def test_a_failure_reaches_every_waiter_as_an_object_of_its_own(cache: TokenManager) -> None:
    """When the refresh fails, each of fifty waiters gets the same kind of error, not the same object."""
    wechat = Endpoint()
    wechat.error = wxcv.CredentialRejectedError(40125, "invalid appsecret")
    waiters = [cache.get(APP, wechat.send) for _ in range(50)]
    errors = await asyncio.gather(*waiters, return_exceptions=True)

    assert {type(error) for error in errors} == {wxcv.CredentialRejectedError}
    assert len({id(error) for error in errors}) == 50
    assert wechat.tokens_issued == 1


async def test_an_expired_token_is_refreshed_once(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """When the life is over, the next callers share one new request."""
    wechat = Endpoint(life=100)
    await cache.get(APP, wechat.send)
    clock.advance(100)
    tokens = await asyncio.gather(*(cache.get(APP, wechat.send) for _ in range(10)))

    assert set(tokens) == {"T2"}
    assert wechat.tokens_issued == 2


@pytest.mark.parametrize("moved", [3 * 3600, 7200])
async def test_a_token_is_over_when_the_wall_clock_says_so(
    cache: TokenManager, clock: wxcv.ManualClock, moved: float
) -> None:
    """A wall clock that jumped past the life ends the token although the monotonic clock stood still."""
    wechat = Endpoint()
    await cache.get(APP, wechat.send)
    clock.set_wall(clock.wall() + moved)

    assert await cache.get(APP, wechat.send) == "T2"


async def test_a_wall_clock_set_back_does_not_prolong_a_life(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A wall clock set back two hours does not keep a token alive beyond its monotonic life."""
    wechat = Endpoint()
    await cache.get(APP, wechat.send)
    clock.advance(7200)
    clock.set_wall(clock.wall() - 7200)

    assert await cache.get(APP, wechat.send) == "T2"


async def test_near_its_end_a_token_is_refreshed_behind_the_callers(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """Inside the margin callers get the old token at once while one request fetches the new one."""
    wechat = Endpoint()
    await cache.get(APP, wechat.send)
    clock.advance(7200 - 300 + 60)
    wechat.open.clear()

    assert [cache.get_nowait(APP, wechat.send) for _ in range(10)] == ["T1"] * 10
    wechat.open.set()
    await turn()
    assert cache.get_nowait(APP, wechat.send) == "T2"
    assert wechat.tokens_issued == 2


async def test_inside_the_margin_a_failed_refresh_is_repeated_after_a_pause(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A refresh that fails its three tries while the old token lives is begun again after 30 s, unseen."""
    wechat = Endpoint()
    await cache.get(APP, wechat.send)
    clock.advance(7200 - 240)
    wechat.error = wxcv.ConnectError("down")
    for _ in range(29):
        assert cache.get_nowait(APP, wechat.send) == "T1"
        await turn()
        clock.advance(1)
    assert wechat.tokens_issued == 4

    clock.advance(1)
    assert cache.get_nowait(APP, wechat.send) == "T1"
    await turn()
    assert wechat.tokens_issued == 5


async def test_a_short_life_is_used_and_not_fetched_at_every_call(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token with 345 s left, as in the official sample, serves calls for half of them without a request."""
    wechat = Endpoint(life=345)
    for _ in range(172):
        assert await cache.get(APP, wechat.send) == "T1"
        clock.advance(1)

    assert wechat.tokens_issued == 1


async def test_a_token_that_ended_on_the_way_is_an_error(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token whose life was over before its answer came is an error after one request, not a loop."""
    wechat = Endpoint(life=5)

    async def slow(request: Request) -> Response:
        clock.advance(6)
        return await wechat.send(request)

    with pytest.raises(wxcv.ProtocolError, match="token expired before") as caught:
        await cache.get(APP, slow)

    assert wechat.tokens_issued == 1
    assert (caught.value.status, caught.value.retryable) == (200, False)


async def test_a_day_of_calls_needs_thirteen_tokens(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """In a simulated day of ten calls a second no call waits, and 13 tokens are asked for."""
    assert await a_day(cache, clock, first_life=7200) == 13


async def test_a_day_that_begins_with_345_seconds_left_needs_fourteen(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """If the first token has 345 s left, as in the official sample, the day needs 14."""
    assert await a_day(cache, clock, first_life=345) == 14


async def a_day(cache: TokenManager, clock: wxcv.ManualClock, *, first_life: float) -> int:
    """Call ten times a second for a day, against a stable endpoint; return its requests."""
    started = clock.monotonic()
    state = {"requests": 0, "ends_at": started + first_life, "number": 1}

    async def send(_request: Request) -> Response:
        now = clock.monotonic()
        state["requests"] += 1
        if state["ends_at"] - now < 300:
            state.update(ends_at=now + 7200, number=state["number"] + 1)
        fields = {"access_token": f"T{state['number']}", "expires_in": int(state["ends_at"] - now)}
        return Response(200, {}, json.dumps(fields).encode())

    await cache.get(APP, send)
    for _ in range(86_400):
        for _ in range(10):
            assert cache.get_nowait(APP, send) is not None
            clock.advance(0.1)
        await asyncio.sleep(0)
    return state["requests"]  # type: ignore[return-value]


async def test_a_token_refused_while_it_is_fetched_again_is_not_kept(cache: TokenManager) -> None:
    """If a refresh in flight brings the very token that was refused meanwhile, a new one is forced."""
    wechat = Endpoint(life=100)
    wechat.sticky = True
    old = await cache.get(APP, wechat.send)
    clock = cache._clock
    assert isinstance(clock, wxcv.ManualClock)
    clock.advance(60)
    wechat.open.clear()
    assert cache.get_nowait(APP, wechat.send) == old
    await turn()
    cache.invalidate(APP, old, REFUSAL)
    wechat.open.set()

    assert await cache.get(APP, wechat.send) == "T2"
    assert wechat.forced == 1


async def test_an_account_that_is_refreshed_is_not_forgotten(clock: wxcv.ManualClock) -> None:
    """A cache of one account asks once for each of two that are fetched at the same time."""
    cache, wechat = TokenManager(clock, maxsize=1), Endpoint()
    accounts = [APP, wxcv.AppCredential("wx2", "s")]
    await asyncio.gather(*(cache.get(account, wechat.send) for account in accounts * 5))

    assert wechat.tokens_issued == 2


async def test_accounts_do_not_mix(cache: TokenManager) -> None:
    """Two accounts in one cache have a token each."""
    one, other = Endpoint(), Endpoint()
    second = wxcv.AppCredential("wx2", "s")
    other.sticky, other.forced = True, 6

    assert await cache.get(APP, one.send) == "T1"
    assert await cache.get(second, other.send) == "T7"
    assert cache.get_nowait(APP, one.send) == "T1"


async def test_a_full_cache_forgets_the_oldest(clock: wxcv.ManualClock) -> None:
    """No more tokens are kept than maxsize."""
    cache, wechat = TokenManager(clock, maxsize=2), Endpoint()
    accounts = [wxcv.AppCredential(f"wx{n}", "s") for n in range(3)]
    for account in accounts:
        await cache.get(account, wechat.send)

    assert [cache.get_nowait(account, wechat.send) is None for account in accounts] == [True, False, False]


async def test_a_token_that_ended_on_its_way_is_not_handed_out(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """If the wall clock is set forward past the end of a token while it comes, another is fetched."""
    wechat = Endpoint()

    async def send(request: Request) -> Response:
        if not wechat.tokens_issued:
            clock.set_wall(clock.wall() + 3 * 3600)
        return await wechat.send(request)

    token = await cache.get_access_token(APP, send)

    assert (token.value, token.expires_in) == ("T2", 7200)


def test_a_cache_checks_its_size() -> None:
    """A maxsize below 1 is refused."""
    with pytest.raises(ValueError, match="maxsize"):
        wxcv.TokenCache(maxsize=0)
