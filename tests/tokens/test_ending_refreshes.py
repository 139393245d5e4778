"""Refreshes that end early, and waiters that do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, CLASSIC, REFUSAL
from support.tokens import Endpoint, turn

import wxcv
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request


async def test_a_refresh_that_hangs_ends_at_its_deadline(
    cache: TokenManager, clock: wxcv.ManualClock
) -> None:
    """A token endpoint that does not answer within 10 s is a ConnectError for every waiter."""
    wechat = Endpoint()
    wechat.open.clear()
    waiters = [asyncio.create_task(cache.get(APP, wechat.send)) for _ in range(3)]
    await turn()
    clock.advance(10)
    errors = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(error) for error in errors] == [wxcv.ConnectError] * 3
    assert "no token within 10 s" in str(errors[0])


async def test_the_seconds_that_a_refresh_took_are_told(clock: wxcv.ManualClock, tmp_path: Path) -> None:
    """With a store, too, the error tells the seconds that passed, not those for which a lease might last."""
    asked = asyncio.Event()

    async def hang(_request: Request) -> Response:
        asked.set()
        return await asyncio.Future()

    async with wxcv.SQLiteStore(tmp_path / "store.db") as store:
        waiter = asyncio.create_task(TokenManager(clock, store).get(CLASSIC, hang))
        await asked.wait()
        clock.advance(10.02)
        with pytest.raises(wxcv.ConnectError, match="no token within 10 s"):
            await waiter


async def test_a_fault_in_a_refresh_does_not_leave_callers_waiting(cache: TokenManager) -> None:
    """If a refresh breaks in an unforeseen way, its callers get a TokenSourceError that names the class."""

    async def broken(_request: Request) -> Response:
        raise ZeroDivisionError("MARKED-SECRET")

    with pytest.raises(wxcv.TokenSourceError, match="ZeroDivisionError") as caught:
        await cache.get(APP, broken)

    assert "MARKED" not in str(caught.value)


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


async def test_ending_a_refresh_hands_its_waiters_on(cache: TokenManager) -> None:
    """When the session that refreshes is closed, a waiter of another session goes on with its own request."""
    closing, staying = Endpoint(), Endpoint()
    closing.open.clear()
    first = asyncio.create_task(cache.get(APP, closing.send))
    await turn()
    second = asyncio.create_task(cache.get(APP, staying.send))
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

    first = asyncio.create_task(cache.get(APP, closed))
    await turn()
    others = [asyncio.create_task(cache.get(APP, staying.send)) for _ in range(3)]
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

    waiters = [asyncio.create_task(cache.get(APP, send)) for _ in range(3)]
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
            await cache.get(APP, wechat.send)

    assert wechat.tokens_issued == 1


async def test_a_refresh_that_is_ended_before_it_began_leaves_nobody_waiting(cache: TokenManager) -> None:
    """If a session is closed in the moment in which it starts a refresh, others go on with their own."""
    closing, staying = Endpoint(), Endpoint()
    first, second = (asyncio.create_task(cache.get(APP, wechat.send)) for wechat in (closing, staying))
    await asyncio.sleep(0)
    first.cancel()
    await cache.release(closing.send)

    assert await second == "T1"
    assert (closing.tokens_issued, staying.tokens_issued) == (0, 1)


def test_a_token_is_dropped_outside_of_an_event_loop(cache: TokenManager, clock: wxcv.ManualClock) -> None:
    """A living token can be dropped where no event loop runs, also while a refresh waits for its loop."""
    wechat = Endpoint()

    async def leave_a_refresh_behind() -> None:
        await cache.get(APP, wechat.send)
        clock.advance(7100)
        wechat.open.clear()
        assert await cache.get(APP, wechat.send) == "T1"

    async def go_on() -> str:
        wechat.open.set()
        return await cache.get(APP, wechat.send)

    with asyncio.Runner() as runner:
        runner.run(leave_a_refresh_behind())
        cache.invalidate(APP, "T1", REFUSAL)
        assert cache.peek(APP) is None
        assert runner.run(go_on()) == "T2"


def test_a_cache_serves_two_event_loops_one_after_the_other(cache: TokenManager) -> None:
    """A refresh that died with its event loop does not stop the next loop."""

    async def leave_a_refresh_behind() -> None:
        wechat = Endpoint()
        wechat.open.clear()
        asyncio.get_running_loop().create_task(cache.get(APP, wechat.send))
        await turn()

    async def use() -> str:
        token = await cache.get(APP, Endpoint().send)
        cache.invalidate(APP, token, REFUSAL)
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
