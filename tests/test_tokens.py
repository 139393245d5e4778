"""One token for all, one refresh for all."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

import wxcv
from wxcv.wire import Response

if TYPE_CHECKING:
    from wxcv.wire import Request

CREDENTIAL = wxcv.AppCredential("wx1", "MARKED-SECRET")


class Endpoint:
    """A token endpoint in memory: counts, answers T1, T2, ... and can be held, or told to fail."""

    def __init__(self, life: float = 7200) -> None:
        self.mints = 0
        self.forced = 0
        self.life = life
        self.sticky = False
        self.open = asyncio.Event()
        self.open.set()
        self.error: wxcv.WxcvError | None = None

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        await self.open.wait()
        self.mints += 1
        assert request.body is not None
        forced = json.loads(request.body.parts[0])["force_refresh"]
        self.forced += forced
        if self.error:
            raise self.error
        number = 1 + self.forced if self.sticky else self.mints
        return Response(200, {}, json.dumps({"access_token": f"T{number}", "expires_in": self.life}).encode())


@pytest.fixture
def clock() -> wxcv.ManualClock:
    """A clock that stands still."""
    return wxcv.ManualClock()


@pytest.fixture
def cache(clock: wxcv.ManualClock) -> wxcv.TokenCache:
    """A cache on that clock."""
    return wxcv.TokenCache(clock=clock)


async def turn(times: int = 5) -> None:
    """Let all tasks that can run do so."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_living_token_is_had_without_waiting(cache: wxcv.TokenCache) -> None:
    """Once fetched, the token is there at once and no further request is made."""
    wechat = Endpoint()

    assert cache.current(CREDENTIAL, wechat.send) is None
    assert [await cache.get(CREDENTIAL, wechat.send) for _ in range(3)] == ["T1"] * 3
    assert cache.current(CREDENTIAL, wechat.send) == "T1"
    assert wechat.mints == 1


async def test_a_thousand_cold_callers_make_one_request(cache: wxcv.TokenCache) -> None:
    """A thousand callers that find no token share one refresh."""
    wechat = Endpoint()
    tokens = await asyncio.gather(*(cache.get(CREDENTIAL, wechat.send) for _ in range(1000)))

    assert set(tokens) == {"T1"}
    assert wechat.mints == 1


async def test_cancelling_the_first_caller_hurts_nobody(cache: wxcv.TokenCache) -> None:
    """Of fifty callers the first, which started the refresh, is cancelled; 49 are served by one request."""
    wechat = Endpoint()
    wechat.open.clear()
    callers = [asyncio.create_task(cache.get(CREDENTIAL, wechat.send)) for _ in range(50)]
    await turn()
    callers[0].cancel()
    await turn()
    wechat.open.set()
    results = await asyncio.gather(*callers, return_exceptions=True)

    assert [type(result).__name__ for result in results] == ["CancelledError"] + ["str"] * 49
    assert wechat.mints == 1


async def test_a_failure_reaches_every_waiter_as_an_object_of_its_own(cache: wxcv.TokenCache) -> None:
    """When the refresh fails, each of fifty waiters gets the same kind of error, not the same object."""
    wechat = Endpoint()
    wechat.error = wxcv.CredentialRejectedError(40125, "invalid appsecret")
    waiters = [cache.get(CREDENTIAL, wechat.send) for _ in range(50)]
    errors = await asyncio.gather(*waiters, return_exceptions=True)

    assert {type(error) for error in errors} == {wxcv.CredentialRejectedError}
    assert len({id(error) for error in errors}) == 50
    assert wechat.mints == 1


async def test_an_expired_token_is_renewed_once(cache: wxcv.TokenCache, clock: wxcv.ManualClock) -> None:
    """When the life is over, the next callers share one new request."""
    wechat = Endpoint(life=100)
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(100)
    tokens = await asyncio.gather(*(cache.get(CREDENTIAL, wechat.send) for _ in range(10)))

    assert set(tokens) == {"T2"}
    assert wechat.mints == 2


@pytest.mark.parametrize("moved", [3 * 3600, 7200])
async def test_a_token_is_over_when_the_wall_clock_says_so(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock, moved: float
) -> None:
    """A wall clock that jumped past the life ends the token although the monotonic clock stood still."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.set_wall(clock.wall() + moved)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"


async def test_a_wall_clock_set_back_does_not_prolong_a_life(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """A wall clock set back two hours does not keep a token alive beyond its monotonic life."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200)
    clock.set_wall(clock.wall() - 7200)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"


async def test_near_its_end_a_token_is_renewed_behind_the_callers(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """Inside the margin callers get the old token at once while one request fetches the new one."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200 - 300 + 60)
    wechat.open.clear()

    assert [cache.current(CREDENTIAL, wechat.send) for _ in range(10)] == ["T1"] * 10
    wechat.open.set()
    await turn()
    assert cache.current(CREDENTIAL, wechat.send) == "T2"
    assert wechat.mints == 2


async def test_inside_the_margin_a_failed_renewal_is_repeated_after_a_pause(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """A renewal that fails while the old token lives is tried again after 30 s, unseen by the callers."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200 - 240)
    wechat.error = wxcv.ConnectError("down")
    for _ in range(29):
        assert cache.current(CREDENTIAL, wechat.send) == "T1"
        await turn()
        clock.advance(1)
    assert wechat.mints == 2

    clock.advance(1)
    assert cache.current(CREDENTIAL, wechat.send) == "T1"
    await turn()
    assert wechat.mints == 3


async def test_a_short_life_is_used_and_not_fetched_at_every_call(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """A token with 345 s left, as in the official sample, serves calls for half of them without a request."""
    wechat = Endpoint(life=345)
    for _ in range(172):
        assert await cache.get(CREDENTIAL, wechat.send) == "T1"
        clock.advance(1)

    assert wechat.mints == 1


async def test_ten_late_refusals_of_an_old_token_cost_one_request(cache: wxcv.TokenCache) -> None:
    """Only the first refusal of a token drops it; those that come after the renewal drop nothing."""
    wechat = Endpoint()
    old = await cache.get(CREDENTIAL, wechat.send)
    for _ in range(10):
        cache.invalidate(CREDENTIAL, old)
        assert await cache.get(CREDENTIAL, wechat.send) == "T2"

    assert wechat.mints == 2


async def test_a_dead_token_that_is_handed_out_again_is_forced(cache: wxcv.TokenCache) -> None:
    """If the normal answer is the very token that was refused, one forced request gets a new one."""
    wechat = Endpoint()
    wechat.sticky = True
    old = await cache.get(CREDENTIAL, wechat.send)
    cache.invalidate(CREDENTIAL, old)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"
    assert (wechat.mints, wechat.forced) == (3, 1)


async def test_a_token_that_stays_refused_is_an_error(cache: wxcv.TokenCache) -> None:
    """If even the forced answer is the refused token, the caller is told instead of being sent with it."""
    wechat = Endpoint()

    async def stuck(request: Request) -> Response:
        await wechat.send(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    old = await cache.get(CREDENTIAL, stuck)
    cache.invalidate(CREDENTIAL, old)
    with pytest.raises(wxcv.TokenRejectedError, match="still hands out"):
        await cache.get(CREDENTIAL, stuck)

    assert wechat.mints == 3


async def test_a_classic_token_is_never_forced(cache: wxcv.TokenCache) -> None:
    """If a classic answer repeats the refused token, nothing is forced and the caller is told."""
    classic, mints = wxcv.AppCredential("wx1", "MARKED-SECRET", stable=False), []

    async def stuck(request: Request) -> Response:
        mints.append(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    cache.invalidate(classic, await cache.get(classic, stuck))
    with pytest.raises(wxcv.TokenRejectedError, match="still hands out"):
        await cache.get(classic, stuck)

    assert len(mints) == 2


async def test_a_token_that_ended_on_the_way_is_an_error(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """A token whose life was over before its answer came is an error after one request, not a loop."""
    wechat = Endpoint(life=5)

    async def slow(request: Request) -> Response:
        clock.advance(6)
        return await wechat.send(request)

    with pytest.raises(wxcv.ProtocolError, match="already ended"):
        await cache.get(CREDENTIAL, slow)

    assert wechat.mints == 1


async def test_a_refresh_that_hangs_ends_at_its_deadline(
    cache: wxcv.TokenCache, clock: wxcv.ManualClock
) -> None:
    """A token endpoint that does not answer within 10 s is a ConnectError for every waiter."""
    wechat = Endpoint()
    wechat.open.clear()
    waiters = [asyncio.create_task(cache.get(CREDENTIAL, wechat.send)) for _ in range(3)]
    await turn()
    clock.advance(10)
    errors = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(error) for error in errors] == [wxcv.ConnectError] * 3
    assert "no token within 10 s" in str(errors[0])


async def test_ending_a_refresh_hands_its_waiters_on(cache: wxcv.TokenCache) -> None:
    """When the session that refreshes is closed, a waiter of another session goes on with its own request."""
    closing, staying = Endpoint(), Endpoint()
    closing.open.clear()
    first = asyncio.create_task(cache.get(CREDENTIAL, closing.send))
    await turn()
    second = asyncio.create_task(cache.get(CREDENTIAL, staying.send))
    await turn()
    first.cancel()
    await cache.release(closing.send)

    assert await second == "T1"
    assert (closing.mints, staying.mints) == (0, 1)


async def test_a_cancelled_waiter_is_passed_over(cache: wxcv.TokenCache) -> None:
    """A waiter cancelled in the moment in which the token arrives does not disturb the others."""
    wechat = Endpoint()
    wechat.open.clear()
    waiters = [asyncio.create_task(cache.get(CREDENTIAL, wechat.send)) for _ in range(3)]
    await turn()
    wechat.open.set()
    await asyncio.sleep(0)
    waiters[1].cancel()
    results = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(result).__name__ for result in results] == ["str", "CancelledError", "str"]


async def test_accounts_do_not_mix(cache: wxcv.TokenCache) -> None:
    """Two accounts in one cache have a token each."""
    one, other = Endpoint(), Endpoint()
    second = wxcv.AppCredential("wx2", "s")
    other.sticky, other.forced = True, 6

    assert await cache.get(CREDENTIAL, one.send) == "T1"
    assert await cache.get(second, other.send) == "T7"
    assert cache.current(CREDENTIAL, one.send) == "T1"


async def test_a_full_cache_forgets_the_oldest(clock: wxcv.ManualClock) -> None:
    """No more tokens are kept than maxsize."""
    cache, wechat = wxcv.TokenCache(maxsize=2, clock=clock), Endpoint()
    accounts = [wxcv.AppCredential(f"wx{n}", "s") for n in range(3)]
    for account in accounts:
        await cache.get(account, wechat.send)

    assert [cache.current(account, wechat.send) is None for account in accounts] == [True, False, False]


def test_a_cache_serves_two_event_loops_one_after_the_other(cache: wxcv.TokenCache) -> None:
    """A refresh that died with its event loop does not stop the next loop."""

    async def leave_a_refresh_behind() -> None:
        wechat = Endpoint()
        wechat.open.clear()
        asyncio.get_running_loop().create_task(cache.get(CREDENTIAL, wechat.send))
        await turn()

    async def use() -> str:
        token = await cache.get(CREDENTIAL, Endpoint().send)
        cache.invalidate(CREDENTIAL, token)
        return token

    careless = asyncio.new_event_loop()
    careless.set_exception_handler(lambda *_: None)  # it complains of the task that it loses
    careless.run_until_complete(leave_a_refresh_behind())
    careless.close()
    asyncio.run(leave_a_refresh_behind())
    assert asyncio.run(use()) == "T1"


def test_a_cache_checks_its_size() -> None:
    """A maxsize below 1 is refused."""
    with pytest.raises(ValueError, match="maxsize"):
        wxcv.TokenCache(maxsize=0)
