"""Refusals, failures and forced refreshes: how often a token endpoint is asked."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, REFUSAL
from support.stores import FailingStore
from support.tokens import Endpoint, turn

import wxcv
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.protocol.requests import Request


async def test_ten_late_refusals_of_an_old_token_cost_one_request(cache: TokenManager) -> None:
    """Only the first refusal of a token drops it; those that come after the refresh drop nothing."""
    wechat = Endpoint()
    old = await cache.get(APP, wechat.send)
    for _ in range(10):
        cache.invalidate(APP, old, REFUSAL)
        assert await cache.get(APP, wechat.send) == "T2"

    assert wechat.tokens_issued == 2


async def test_a_dead_token_that_is_handed_out_again_is_forced(cache: TokenManager) -> None:
    """If the normal answer is the very token that was refused, one forced request gets a new one."""
    wechat = Endpoint()
    wechat.sticky = True
    old = await cache.get(APP, wechat.send)
    cache.invalidate(APP, old, REFUSAL)

    assert await cache.get(APP, wechat.send) == "T2"
    assert (wechat.tokens_issued, wechat.forced) == (3, 1)


async def test_a_token_that_stays_refused_is_an_error(cache: TokenManager) -> None:
    """If even the forced answer is the refused token, the caller is told instead of being sent with it."""
    wechat = Endpoint()

    async def stuck(request: Request) -> Response:
        await wechat.send(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    old = await cache.get(APP, stuck)
    cache.invalidate(APP, old, REFUSAL)
    with pytest.raises(wxcv.TokenRejectedError, match="errcode 42001"):
        await cache.get(APP, stuck)

    assert wechat.tokens_issued == 3


async def test_a_classic_token_is_never_forced(cache: TokenManager) -> None:
    """If a classic answer repeats the refused token, nothing is forced and the caller is told."""
    classic, tokens_issued = wxcv.AppCredential("wx1", "MARKED-SECRET", stable=False), []

    async def stuck(request: Request) -> Response:
        tokens_issued.append(request)
        return Response(200, {}, b'{"access_token":"T1","expires_in":7200}')

    cache.invalidate(classic, await cache.get(classic, stuck), REFUSAL)
    with pytest.raises(wxcv.TokenRejectedError, match="errcode 42001"):
        await cache.get(classic, stuck)

    assert len(tokens_issued) == 2


async def failing(cache: TokenManager, wechat: Endpoint, clock: wxcv.ManualClock) -> list[wxcv.WxcvError]:
    """Let fifty callers fail together; return their errors."""
    callers = [asyncio.create_task(cache.get(APP, wechat.send)) for _ in range(50)]
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

    caller = asyncio.create_task(cache.get(APP, send))
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
            await cache.get(APP, wechat.send)
        assert asked == wechat.tokens_issued == 3 * refreshes
        clock.advance(0.2)

    wechat.error = None
    assert await cache.get(APP, wechat.send) == "T19"


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
            await cache.get(APP, wechat.send)
        errors.append(caught.value)
        clock.advance(0.0999)
    assert wechat.tokens_issued == 1
    assert len({id(error) for error in errors}) == 600

    clock.advance(1)
    with pytest.raises(wxcv.CredentialRejectedError):
        await cache.get(APP, wechat.send)
    assert wechat.tokens_issued == 2


async def test_forced_refreshes_are_rationed(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """A second dead token within 30 s of a forced refresh is an error, and is forced after that."""
    wechat = Endpoint()
    wechat.sticky = True
    cache.invalidate(APP, await cache.get(APP, wechat.send), REFUSAL)
    cache.invalidate(APP, await cache.get(APP, wechat.send), REFUSAL)
    assert wechat.forced == 1

    clock.advance(29)
    with pytest.raises(wxcv.TokenRejectedError, match="42001"):
        await cache.get(APP, wechat.send)
    assert wechat.forced == 1
    clock.advance(30)
    assert await cache.get(APP, wechat.send) == "T3"
    assert wechat.forced == 2


async def test_no_more_than_ten_refreshes_are_forced_in_a_day(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """Of twenty dead tokens in a day, ten are healed by force; on the next day it goes on."""
    wechat = Endpoint()
    wechat.sticky = True
    for _ in range(20):
        token = cache.get_nowait(APP, wechat.send)
        if token is None:
            with contextlib.suppress(wxcv.TokenRejectedError):
                token = await cache.get(APP, wechat.send)
        if token:
            cache.invalidate(APP, token, REFUSAL)
        clock.advance(61)
    assert wechat.forced == 10

    clock.advance(86_400)
    assert await cache.get(APP, wechat.send) == "T12"
    assert wechat.forced == 11


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
            await cache.get(APP, wechat.send)

        assert wechat.tokens_issued == requests


async def test_a_new_token_that_is_refused_at_once_ends_the_asking(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """If the token that replaced a refused one is refused too, nobody asks for 30 s."""
    wechat = Endpoint()
    for _ in range(2):
        cache.invalidate(APP, await cache.get(APP, wechat.send), REFUSAL)
    for _ in range(20):
        with pytest.raises(wxcv.TokenRejectedError):
            await cache.get(APP, wechat.send)
    assert wechat.tokens_issued == 2

    clock.advance(30)
    assert await cache.get(APP, wechat.send) == "T3"


async def test_a_dead_token_is_forced_also_when_the_store_cannot_count(
    clock: wxcv.ManualClock, tmp_path: Path
) -> None:
    """If the store cannot count a forced refresh, this process forces one by its own count, all the same."""
    wechat = Endpoint()
    wechat.sticky = True
    async with FailingStore(tmp_path / "store.db") as store:
        cache = TokenManager(clock, store)
        cache.invalidate(APP, await cache.get(APP, wechat.send), REFUSAL)

        assert await cache.get(APP, wechat.send) == "T2"
    assert wechat.forced == 1
