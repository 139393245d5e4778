"""What a TokenCache knows of an account besides its token, and when it asks again."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, REFUSAL
from support.tokens import turn

import wxcv
from wxcv.clock import SystemClock
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.protocol.requests import Request

    Send = Callable[[Request], Awaitable[Response]]


def refusing(error: wxcv.WxcvError) -> Send:
    """Make a token endpoint that always answers with that error."""

    async def send(_request: Request) -> Response:
        raise error

    return send


def hanging() -> Send:
    """Make a token endpoint that never answers."""

    async def send(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    return send


async def good(_request: Request) -> Response:
    """Answer a token."""
    return Response(200, {}, b'{"access_token":"T","expires_in":7200}')


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(wxcv.CredentialRejectedError(40125, "no"), 60.0), (wxcv.RateLimitedError(45011, "slow down"), 5.0)],
)
async def test_the_seconds_until_a_token_can_be_had_are_told(error: wxcv.WxcvError, seconds: float) -> None:
    """They are 0 before the first refresh and after a good one, and else what is left of the back-off."""
    clock = wxcv.ManualClock()
    clock.advance(1000)
    cache = TokenManager(clock)
    assert cache.seconds_until_retry(APP) == 0.0
    with pytest.raises(type(error)):
        await cache.get(APP, refusing(error))
    told = []
    for moved in (0.0, seconds - 2, 2.0, 1.0):
        clock.advance(moved)
        told.append(cache.seconds_until_retry(APP))
    await cache.get(APP, good)

    assert told == [seconds, 2.0, 0.0, 0.0]
    assert cache.seconds_until_retry(APP) == 0.0


async def test_a_good_refresh_ends_the_growing_of_the_back_off() -> None:
    """After a success the next failure is backed off from for as long as the first was."""
    clock = wxcv.ManualClock()
    cache, failing = TokenManager(clock), refusing(wxcv.RateLimitedError(45011, "slow down"))
    told = []
    for send in (failing, failing, failing, good, failing, failing):
        cache.invalidate(APP, "T", REFUSAL)
        with contextlib.suppress(wxcv.RateLimitedError):
            await cache.get(APP, send)
        told.append(cache.seconds_until_retry(APP))
        clock.advance(100)

    assert told == [5.0, 10.0, 20.0, 0.0, 5.0, 10.0]


class Hasty(wxcv.ManualClock):
    """A clock that moves on by itself when somebody sleeps, and remembers for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.advance(seconds)


async def test_the_tries_of_a_refresh_are_spread() -> None:
    """Before the second try a refresh waits for up to half a second, before the third for up to one."""
    random.seed(8)
    clock = Hasty()
    for _ in range(300):
        with pytest.raises(wxcv.ConnectError):
            await TokenManager(clock).get(APP, refusing(wxcv.ConnectError("down")))
    first, second = clock.slept[::2], clock.slept[1::2]

    assert (len(first), len(second)) == (300, 300)
    assert 0.0 <= min(first) < 0.05
    assert 0.45 < max(first) <= 0.5
    assert 0.0 <= min(second) < 0.1
    assert 0.9 < max(second) <= 1.0


async def test_accounts_beyond_maxsize_are_kept_only_while_they_are_refreshed() -> None:
    """When all refreshes have ended, well or not, no more accounts are kept than maxsize."""
    cache = TokenManager(SystemClock(), maxsize=3)
    accounts = [wxcv.AppCredential(f"wx{number}", "s") for number in range(20)]
    sends = [good, refusing(wxcv.CredentialRejectedError(40125, "no"))] * 10
    callers = [cache.get(account, send) for account, send in zip(accounts, sends, strict=True)]
    await asyncio.gather(*callers, return_exceptions=True)

    assert not cache._refreshing
    assert (len(cache._accounts), len(cache._cached)) == (3, 3)


def test_a_refresh_that_ends_in_its_own_loop_leaves_that_of_another_alone() -> None:
    """If a refresh of one event loop ends while another loop refreshes the same account, nothing is lost."""
    cache, old, new = TokenManager(SystemClock()), hanging(), hanging()

    async def begin(send: Send) -> None:
        callers.append(asyncio.ensure_future(cache.get(APP, send)))
        await turn()

    async def end() -> list[str]:
        await cache.release(new)
        await turn()
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    callers: list[asyncio.Future[str]] = []
    with asyncio.Runner() as one, asyncio.Runner() as other:
        one.run(begin(old))
        other.run(begin(new))
        one.close()  # which cancels the refresh there

        assert other.run(end()) == []
    assert isinstance(callers[1].exception(), wxcv.SessionClosedError)
