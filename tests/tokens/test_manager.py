"""One token for all, one refresh for all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

import wxcv
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from wxcv.protocol.requests import Request

CREDENTIAL = wxcv.AppCredential("wx1", "MARKED-SECRET")
REFUSAL = wxcv.TokenRejectedError(42001, "access_token expired")


class Endpoint:
    """A token endpoint in memory: counts, answers T1, T2, ... and can be held, or told to fail."""

    def __init__(self, life: float = 7200) -> None:
        self.tokens_issued = 0
        self.forced = 0
        self.life = life
        self.sticky = False
        self.open = asyncio.Event()
        self.open.set()
        self.error: wxcv.WxcvError | None = None

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        await self.open.wait()
        self.tokens_issued += 1
        assert request.body is not None
        forced = json.loads(request.body.parts[0])["force_refresh"]
        self.forced += forced
        if self.error:
            raise self.error
        number = 1 + self.forced if self.sticky else self.tokens_issued
        return Response(200, {}, json.dumps({"access_token": f"T{number}", "expires_in": self.life}).encode())


@pytest.fixture
def clock() -> wxcv.ManualClock:
    """A clock that stands still, long after the program began."""
    clock = wxcv.ManualClock()
    clock.advance(1_000_000)
    return clock


@pytest.fixture
def cache(clock: wxcv.ManualClock) -> TokenManager:
    """A cache on that clock."""
    return TokenManager(clock)


async def turn(times: int = 5) -> None:
    """Let all tasks that can run do so."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_living_token_is_had_without_waiting(cache: TokenManager) -> None:
    """Once fetched, the token is there at once and no further request is made."""
    wechat = Endpoint()

    assert cache.get_nowait(CREDENTIAL, wechat.send) is None
    assert [await cache.get(CREDENTIAL, wechat.send) for _ in range(3)] == ["T1"] * 3
    assert cache.get_nowait(CREDENTIAL, wechat.send) == "T1"
    assert wechat.tokens_issued == 1


async def test_a_thousand_cold_callers_make_one_request(cache: TokenManager) -> None:
    """A thousand callers that find no token share one refresh."""
    wechat = Endpoint()
    tokens = await asyncio.gather(*(cache.get(CREDENTIAL, wechat.send) for _ in range(1000)))

    assert set(tokens) == {"T1"}
    assert wechat.tokens_issued == 1


async def test_cancelling_the_first_caller_hurts_nobody(cache: TokenManager) -> None:
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
    assert wechat.tokens_issued == 1


async def test_a_failure_reaches_every_waiter_as_an_object_of_its_own(cache: TokenManager) -> None:
    """When the refresh fails, each of fifty waiters gets the same kind of error, not the same object."""
    wechat = Endpoint()
    wechat.error = wxcv.CredentialRejectedError(40125, "invalid appsecret")
    waiters = [cache.get(CREDENTIAL, wechat.send) for _ in range(50)]
    errors = await asyncio.gather(*waiters, return_exceptions=True)

    assert {type(error) for error in errors} == {wxcv.CredentialRejectedError}
    assert len({id(error) for error in errors}) == 50
    assert wechat.tokens_issued == 1


async def test_an_expired_token_is_renewed_once(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """When the life is over, the next callers share one new request."""
    wechat = Endpoint(life=100)
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(100)
    tokens = await asyncio.gather(*(cache.get(CREDENTIAL, wechat.send) for _ in range(10)))

    assert set(tokens) == {"T2"}
    assert wechat.tokens_issued == 2


@pytest.mark.parametrize("moved", [3 * 3600, 7200])
async def test_a_token_is_over_when_the_wall_clock_says_so(
    cache: TokenManager, clock: wxcv.ManualClock, moved: float
) -> None:
    """A wall clock that jumped past the life ends the token although the monotonic clock stood still."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.set_wall(clock.wall() + moved)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"


async def test_a_wall_clock_set_back_does_not_prolong_a_life(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A wall clock set back two hours does not keep a token alive beyond its monotonic life."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200)
    clock.set_wall(clock.wall() - 7200)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"


async def test_near_its_end_a_token_is_renewed_behind_the_callers(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """Inside the margin callers get the old token at once while one request fetches the new one."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200 - 300 + 60)
    wechat.open.clear()

    assert [cache.get_nowait(CREDENTIAL, wechat.send) for _ in range(10)] == ["T1"] * 10
    wechat.open.set()
    await turn()
    assert cache.get_nowait(CREDENTIAL, wechat.send) == "T2"
    assert wechat.tokens_issued == 2


async def test_inside_the_margin_a_failed_renewal_is_repeated_after_a_pause(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A renewal that fails its three tries while the old token lives is begun again after 30 s, unseen."""
    wechat = Endpoint()
    await cache.get(CREDENTIAL, wechat.send)
    clock.advance(7200 - 240)
    wechat.error = wxcv.ConnectError("down")
    for _ in range(29):
        assert cache.get_nowait(CREDENTIAL, wechat.send) == "T1"
        await turn()
        clock.advance(1)
    assert wechat.tokens_issued == 4

    clock.advance(1)
    assert cache.get_nowait(CREDENTIAL, wechat.send) == "T1"
    await turn()
    assert wechat.tokens_issued == 5


async def test_a_short_life_is_used_and_not_fetched_at_every_call(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token with 345 s left, as in the official sample, serves calls for half of them without a request."""
    wechat = Endpoint(life=345)
    for _ in range(172):
        assert await cache.get(CREDENTIAL, wechat.send) == "T1"
        clock.advance(1)

    assert wechat.tokens_issued == 1


async def test_ten_late_refusals_of_an_old_token_cost_one_request(cache: TokenManager) -> None:
    """Only the first refusal of a token drops it; those that come after the renewal drop nothing."""
    wechat = Endpoint()
    old = await cache.get(CREDENTIAL, wechat.send)
    for _ in range(10):
        cache.invalidate(CREDENTIAL, old, REFUSAL)
        assert await cache.get(CREDENTIAL, wechat.send) == "T2"

    assert wechat.tokens_issued == 2


async def test_a_dead_token_that_is_handed_out_again_is_forced(cache: TokenManager) -> None:
    """If the normal answer is the very token that was refused, one forced request gets a new one."""
    wechat = Endpoint()
    wechat.sticky = True
    old = await cache.get(CREDENTIAL, wechat.send)
    cache.invalidate(CREDENTIAL, old, REFUSAL)

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"
    assert (wechat.tokens_issued, wechat.forced) == (3, 1)


async def test_a_token_that_stays_refused_is_an_error(cache: TokenManager) -> None:
    """If even the forced answer is the refused token, the caller is told instead of being sent with it."""
    wechat = Endpoint()

    async def stuck(request: Request) -> Response:
        await wechat.send(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    old = await cache.get(CREDENTIAL, stuck)
    cache.invalidate(CREDENTIAL, old, REFUSAL)
    with pytest.raises(wxcv.TokenRejectedError, match="errcode 42001"):
        await cache.get(CREDENTIAL, stuck)

    assert wechat.tokens_issued == 3


async def test_a_classic_token_is_never_forced(cache: TokenManager) -> None:
    """If a classic answer repeats the refused token, nothing is forced and the caller is told."""
    classic, mints = wxcv.AppCredential("wx1", "MARKED-SECRET", stable=False), []

    async def stuck(request: Request) -> Response:
        mints.append(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    cache.invalidate(classic, await cache.get(classic, stuck), REFUSAL)
    with pytest.raises(wxcv.TokenRejectedError, match="errcode 42001"):
        await cache.get(classic, stuck)

    assert len(mints) == 2


async def test_a_token_that_ended_on_the_way_is_an_error(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token whose life was over before its answer came is an error after one request, not a loop."""
    wechat = Endpoint(life=5)

    async def slow(request: Request) -> Response:
        clock.advance(6)
        return await wechat.send(request)

    with pytest.raises(wxcv.ProtocolError, match="already ended") as caught:
        await cache.get(CREDENTIAL, slow)

    assert wechat.tokens_issued == 1
    assert (caught.value.status, caught.value.retryable) == (200, False)


async def test_a_refresh_that_hangs_ends_at_its_deadline(
    cache: TokenManager, clock: wxcv.ManualClock
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


async def failing(cache: TokenManager, wechat: Endpoint, clock: wxcv.ManualClock) -> list[wxcv.WxcvError]:
    """Let fifty callers fail together; return their errors."""
    callers = [asyncio.create_task(cache.get(CREDENTIAL, wechat.send)) for _ in range(50)]
    while not all(caller.done() for caller in callers):
        await turn()
        clock.advance(0.1)
    errors = [caller.exception() for caller in callers]
    assert all(isinstance(error, wxcv.WxcvError) for error in errors)
    return errors  # type: ignore[return-value]


async def test_a_failing_endpoint_is_asked_three_times_for_all_callers(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """While the token endpoint cannot be reached, fifty callers share one refresh of three tries."""
    wechat = Endpoint()
    wechat.error = wxcv.ConnectError("down")
    errors = await failing(cache, wechat, clock)

    assert {type(error) for error in errors} == {wxcv.ConnectError}
    assert wechat.tokens_issued == 3


async def test_a_failure_that_passes_is_retried_within_the_refresh(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token endpoint that is busy twice and then answers serves the caller in one refresh."""
    wechat, errors = Endpoint(), [wxcv.SystemBusyError(-1, "busy"), wxcv.ProtocolError("bad", status=502)]

    async def send(request: Request) -> Response:
        wechat.error = errors.pop() if errors else None
        return await wechat.send(request)

    caller = asyncio.create_task(cache.get(CREDENTIAL, send))
    while not caller.done():
        await turn()
        clock.advance(0.1)

    assert caller.result() == "T3"
    assert wechat.forced == 0


async def test_after_failures_the_silence_doubles_up_to_a_minute(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """After failures of transport nobody asks for 5, 10, 20, 40, 60, 60 s, and callers fail at once."""
    wechat = Endpoint()
    wechat.error = wxcv.ConnectError("down")
    for refreshes, silence in enumerate((5, 10, 20, 40, 60, 60), start=1):
        await failing(cache, wechat, clock)
        asked = wechat.tokens_issued
        clock.advance(silence - 0.2)
        with pytest.raises(wxcv.ConnectError):
            await cache.get(CREDENTIAL, wechat.send)
        assert asked == wechat.tokens_issued == 3 * refreshes
        clock.advance(0.2)

    wechat.error = None
    assert await cache.get(CREDENTIAL, wechat.send) == "T19"


@pytest.mark.parametrize("errcode", [40125, 40013, 40164])
async def test_a_refused_credential_is_asked_once_a_minute(
    cache: TokenManager, clock: wxcv.ManualClock, errcode: int
) -> None:
    """After a refusal of secret, appid or address, a minute of a hundred calls a second asks once."""
    wechat = Endpoint()
    wechat.error = wxcv.CredentialRejectedError(errcode, "no")
    errors = []
    for _ in range(600):
        with pytest.raises(wxcv.CredentialRejectedError) as caught:
            await cache.get(CREDENTIAL, wechat.send)
        errors.append(caught.value)
        clock.advance(0.0999)
    assert wechat.tokens_issued == 1
    assert len({id(error) for error in errors}) == 600

    clock.advance(1)
    with pytest.raises(wxcv.CredentialRejectedError):
        await cache.get(CREDENTIAL, wechat.send)
    assert wechat.tokens_issued == 2


async def test_forced_refreshes_are_rationed(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """A second dead token within 30 s of a forced refresh is an error, and is forced after that."""
    wechat = Endpoint()
    wechat.sticky = True
    cache.invalidate(CREDENTIAL, await cache.get(CREDENTIAL, wechat.send), REFUSAL)
    cache.invalidate(CREDENTIAL, await cache.get(CREDENTIAL, wechat.send), REFUSAL)
    assert wechat.forced == 1

    clock.advance(29)
    with pytest.raises(wxcv.TokenRejectedError, match="42001"):
        await cache.get(CREDENTIAL, wechat.send)
    assert wechat.forced == 1
    clock.advance(30)
    assert await cache.get(CREDENTIAL, wechat.send) == "T3"
    assert wechat.forced == 2


async def test_no_more_than_ten_refreshes_are_forced_in_a_day(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """Of twenty dead tokens in a day, ten are healed by force; on the next day it goes on."""
    wechat = Endpoint()
    wechat.sticky = True
    for _ in range(20):
        token = cache.get_nowait(CREDENTIAL, wechat.send)
        if token is None:
            with contextlib.suppress(wxcv.TokenRejectedError):
                token = await cache.get(CREDENTIAL, wechat.send)
        if token:
            cache.invalidate(CREDENTIAL, token, REFUSAL)
        clock.advance(61)
    assert wechat.forced == 10

    clock.advance(86_400)
    assert await cache.get(CREDENTIAL, wechat.send) == "T12"
    assert wechat.forced == 11


async def test_a_fault_in_a_refresh_does_not_leave_callers_waiting(cache: TokenManager) -> None:
    """If a refresh breaks in an unforeseen way, its callers get a TokenSourceError that names the class."""

    async def broken(_request: Request) -> Response:
        raise ZeroDivisionError("MARKED-SECRET")

    with pytest.raises(wxcv.TokenSourceError, match="ZeroDivisionError") as caught:
        await cache.get(CREDENTIAL, broken)

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize(("says", "silent"), [(None, 5), (1.0, 5), (45.0, 45), (3600.0, 60)])
async def test_a_throttled_endpoint_is_asked_once_and_when_it_says(
    cache: TokenManager, clock: wxcv.ManualClock, says: float | None, silent: float
) -> None:
    """After a throttling nobody asks again before Retry-After says so, for 5 s at least and 60 s at most."""
    wechat = Endpoint()
    wechat.error = error = wxcv.RateLimitedError(45011, "slow down")
    error.retry_after = says
    for seconds, requests in ((0.0, 1), (silent - 0.1, 1), (0.1, 2)):
        clock.advance(seconds)
        with pytest.raises(wxcv.RateLimitedError):
            await cache.get(CREDENTIAL, wechat.send)

        assert wechat.tokens_issued == requests


async def test_an_exit_in_a_refresh_does_not_leave_callers_waiting(cache: TokenManager) -> None:
    """What is no Exception, raised by a caller's function, reaches all callers as a TokenSourceError."""

    class Abort(BaseException):
        pass

    async def function(_refused: str | None) -> wxcv.AccessToken:
        raise Abort

    credential = wxcv.CallbackCredential(function)
    callers = [cache.get(credential, Endpoint().send) for _ in range(3)]
    ends = await asyncio.gather(*callers, return_exceptions=True)

    assert [type(end) for end in ends] == [wxcv.TokenSourceError] * 3
    assert all("raised Abort at " in str(end) for end in ends)


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

    await cache.get(CREDENTIAL, send)
    for _ in range(86_400):
        for _ in range(10):
            assert cache.get_nowait(CREDENTIAL, send) is not None
            clock.advance(0.1)
        await asyncio.sleep(0)
    return state["requests"]  # type: ignore[return-value]


async def test_ending_a_refresh_hands_its_waiters_on(cache: TokenManager) -> None:
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
    assert (closing.tokens_issued, staying.tokens_issued) == (0, 1)


async def test_a_closed_session_does_not_fail_the_waiters_of_others(cache: TokenManager) -> None:
    """When a refresh finds its own session closed, its caller is told, and all of another session go on."""
    staying, go = Endpoint(), asyncio.Event()

    async def closed(_request: Request) -> Response:
        await go.wait()
        raise wxcv.SessionClosedError("closed")

    first = asyncio.create_task(cache.get(CREDENTIAL, closed))
    await turn()
    others = [asyncio.create_task(cache.get(CREDENTIAL, staying.send)) for _ in range(3)]
    await turn()
    go.set()

    assert await asyncio.gather(*others) == ["T1"] * 3
    assert staying.tokens_issued == 1
    with pytest.raises(wxcv.SessionClosedError):
        await first


async def test_a_cancelled_waiter_is_passed_over(cache: TokenManager) -> None:
    """A waiter cancelled in the moment in which the token arrives does not disturb the others."""
    wechat = Endpoint()

    async def send(request: Request) -> Response:
        await turn()
        waiters[1].cancel()
        return await wechat.send(request)

    waiters = [asyncio.create_task(cache.get(CREDENTIAL, send)) for _ in range(3)]
    results = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(result).__name__ for result in results] == ["str", "CancelledError", "str"]


async def test_callers_that_come_while_nobody_asks_fail_at_once(
    cache: TokenManager,
) -> None:
    """A caller that comes in the silence after a failure gets the error without any request."""
    wechat = Endpoint()
    wechat.error = wxcv.PermissionDeniedError(48001, "no")
    for _ in range(3):
        with pytest.raises(wxcv.PermissionDeniedError):
            await cache.get(CREDENTIAL, wechat.send)

    assert wechat.tokens_issued == 1


async def test_a_refresh_that_is_ended_before_it_began_leaves_nobody_waiting(cache: TokenManager) -> None:
    """If a session is closed in the moment in which it starts a refresh, others go on with their own."""
    closing, staying = Endpoint(), Endpoint()
    first, second = (asyncio.create_task(cache.get(CREDENTIAL, wechat.send)) for wechat in (closing, staying))
    await asyncio.sleep(0)
    first.cancel()
    await cache.release(closing.send)

    assert await second == "T1"
    assert (closing.tokens_issued, staying.tokens_issued) == (0, 1)


async def test_a_token_refused_while_it_is_fetched_again_is_not_kept(cache: TokenManager) -> None:
    """If a renewal in flight brings the very token that was refused meanwhile, a new one is forced."""
    wechat = Endpoint(life=100)
    wechat.sticky = True
    old = await cache.get(CREDENTIAL, wechat.send)
    clock = cache._clock
    assert isinstance(clock, wxcv.ManualClock)
    clock.advance(60)
    wechat.open.clear()
    assert cache.get_nowait(CREDENTIAL, wechat.send) == old
    await turn()
    cache.invalidate(CREDENTIAL, old, REFUSAL)
    wechat.open.set()

    assert await cache.get(CREDENTIAL, wechat.send) == "T2"
    assert wechat.forced == 1


async def test_a_new_token_that_is_refused_at_once_ends_the_asking(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """If the token that replaced a refused one is refused too, nobody asks for 30 s."""
    wechat = Endpoint()
    for _ in range(2):
        cache.invalidate(CREDENTIAL, await cache.get(CREDENTIAL, wechat.send), REFUSAL)
    for _ in range(20):
        with pytest.raises(wxcv.TokenRejectedError):
            await cache.get(CREDENTIAL, wechat.send)
    assert wechat.tokens_issued == 2

    clock.advance(30)
    assert await cache.get(CREDENTIAL, wechat.send) == "T3"


async def test_an_account_that_is_refreshed_is_not_forgotten(clock: wxcv.ManualClock) -> None:
    """A cache of one account asks once for each of two that are fetched at the same time."""
    cache, wechat = TokenManager(clock, maxsize=1), Endpoint()
    accounts = [CREDENTIAL, wxcv.AppCredential("wx2", "s")]
    await asyncio.gather(*(cache.get(account, wechat.send) for account in accounts * 5))

    assert wechat.tokens_issued == 2


async def test_accounts_do_not_mix(cache: TokenManager) -> None:
    """Two accounts in one cache have a token each."""
    one, other = Endpoint(), Endpoint()
    second = wxcv.AppCredential("wx2", "s")
    other.sticky, other.forced = True, 6

    assert await cache.get(CREDENTIAL, one.send) == "T1"
    assert await cache.get(second, other.send) == "T7"
    assert cache.get_nowait(CREDENTIAL, one.send) == "T1"


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

    token = await cache.get_access_token(CREDENTIAL, send)

    assert (token.value, token.expires_in) == ("T2", 7200)


def test_a_token_is_dropped_outside_of_an_event_loop(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """A living token can be dropped where no event loop runs, also while a renewal waits for its loop."""
    wechat = Endpoint()

    async def leave_a_renewal_behind() -> None:
        await cache.get(CREDENTIAL, wechat.send)
        clock.advance(7100)
        wechat.open.clear()
        assert await cache.get(CREDENTIAL, wechat.send) == "T1"

    async def go_on() -> str:
        wechat.open.set()
        return await cache.get(CREDENTIAL, wechat.send)

    with asyncio.Runner() as runner:
        runner.run(leave_a_renewal_behind())
        cache.invalidate(CREDENTIAL, "T1", REFUSAL)
        assert cache.peek(CREDENTIAL) is None
        assert runner.run(go_on()) == "T2"


def test_a_cache_serves_two_event_loops_one_after_the_other(cache: TokenManager) -> None:
    """A refresh that died with its event loop does not stop the next loop."""

    async def leave_a_refresh_behind() -> None:
        wechat = Endpoint()
        wechat.open.clear()
        asyncio.get_running_loop().create_task(cache.get(CREDENTIAL, wechat.send))
        await turn()

    async def use() -> str:
        token = await cache.get(CREDENTIAL, Endpoint().send)
        cache.invalidate(CREDENTIAL, token, REFUSAL)
        return token

    careless = asyncio.new_event_loop()
    careless.set_exception_handler(lambda *_: None)  # it complains of the task that it loses
    careless.run_until_complete(leave_a_refresh_behind())
    careless.close()
    still_open = asyncio.new_event_loop()
    still_open.run_until_complete(leave_a_refresh_behind())
    asyncio.run(leave_a_refresh_behind())
    assert asyncio.run(use()) == "T1"
    for task in asyncio.all_tasks(still_open):
        task.cancel()
    still_open.run_until_complete(asyncio.sleep(0))
    still_open.close()


def test_a_cache_checks_its_size() -> None:
    """A maxsize below 1 is refused."""
    with pytest.raises(ValueError, match="maxsize"):
        wxcv.TokenCache(maxsize=0)
