"""The refresh tokens of merchants: which one is sent, and when a new one is handed on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from support.accounts import COMPONENT
from support.loops import run_by_set_clock
from support.stores import FailingStore

import wxcv
from wxcv.clock import SystemClock
from wxcv.protocol.answers import Response
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.protocol.requests import Request

REFUSED = "refused"


class Platform:
    """WeChat's token pages for a platform; they answer the refresh tokens that a test gives, one by one."""

    def __init__(self, *answered: str | None) -> None:
        self.answered = list(answered)
        self.used: list[str] = []

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        assert request.body is not None
        fields = json.loads(request.body.parts[0])
        if "authorizer_appid" not in fields:
            return Response(200, {}, b'{"component_access_token":"C","expires_in":7200}')
        self.used.append(fields["authorizer_refresh_token"])
        told: dict[str, object] = {"authorizer_access_token": f"A{len(self.used)}", "expires_in": 7200}
        newest = self.answered.pop(0)
        if newest == REFUSED:
            return Response(200, {}, b'{"errcode":61023,"errmsg":"refresh_token is invalid"}')
        if newest is not None:
            told["authorizer_refresh_token"] = newest
        return Response(200, {}, json.dumps(told).encode())


async def refresh(cache: TokenManager, merchant: wxcv.Credential, platform: Platform, times: int) -> None:
    """Have that many tokens, one after the other."""
    for _ in range(times):
        token = await cache.get(merchant, platform.send)
        cache.invalidate(merchant, token, wxcv.TokenRejectedError.dropped_here(), is_manual=True)


@pytest.mark.parametrize(
    ("answered", "used", "handed"),
    [
        (("R1", "R1", "R1"), ["R0", "R1", "R1"], ["R1"]),
        (("R1", "R2", "R2"), ["R0", "R1", "R2"], ["R1", "R2"]),
        (("R0", "R0", "R0"), ["R0", "R0", "R0"], []),
        ((None, "R1", None), ["R0", "R0", "R1"], ["R1"]),
        (("R1", "R0", "R0"), ["R0", "R1", "R0"], ["R1", "R0"]),
        (("", "R1", ""), ["R0", "R0", "R1"], ["R1"]),
    ],
)
async def test_a_new_refresh_token_is_handed_on_once(
    answered: tuple[str | None, ...], used: list[str], handed: list[str]
) -> None:
    """The newest is sent from then on, and the callback is called only when it is another than before."""
    kept: list[str] = []
    merchant = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0", on_refresh_token=kept.append)
    platform = Platform(*answered)
    await refresh(TokenManager(SystemClock()), merchant, platform, len(answered))

    assert (platform.used, kept) == (used, handed)


async def test_a_refresh_token_that_was_not_kept_is_handed_on_again() -> None:
    """After a callback that failed, the same refresh token is handed on at the next refresh."""
    kept: list[str] = []

    def keep(refresh_token: str) -> None:
        kept.append(refresh_token)
        if len(kept) < 3:
            raise LookupError

    merchant = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0", on_refresh_token=keep)
    await refresh(TokenManager(SystemClock()), merchant, Platform("R1", "R1", "R1", "R1"), 4)

    assert kept == ["R1", "R1", "R1"]


def test_a_refresh_token_that_an_ended_loop_was_saving_holds_nobody_up() -> None:
    """A session is closed at once although a callback was left unfinished in an event loop that is closed."""
    platform, manager = Platform("R1"), TokenManager(SystemClock())
    begun = asyncio.Event()

    async def save(_refresh_token: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def leave_a_callback_behind() -> None:
        merchant = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0", on_refresh_token=save)
        asyncio.get_running_loop().create_task(manager.get(merchant, platform.send))
        await begun.wait()

    async def close() -> float:
        await manager.release(Platform().send)
        return asyncio.get_running_loop().time()

    careless = asyncio.new_event_loop()
    careless.set_exception_handler(lambda *_: None)  # it complains of the tasks that it loses
    careless.run_until_complete(leave_a_callback_behind())
    careless.close()

    assert run_by_set_clock(close()) == 0


async def test_a_refresh_token_that_could_not_be_stored_is_used_and_stored_later(tmp_path: Path) -> None:
    """After a failed write the newest refresh token is used, not the store's, and written when it can be."""
    async with FailingStore(tmp_path / "store.db") as store:
        merchant, platform = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0"), Platform("R1", "R1", "R1")
        await wxcv.SQLiteStore.save_refresh_token(store, merchant.key, "R0")
        manager = TokenManager(SystemClock(), store)
        await refresh(manager, merchant, platform, 2)
        assert await store.load_refresh_token(merchant.key) == "R0"
        store.is_failing = False
        await refresh(manager, merchant, platform, 1)

        assert platform.used == ["R0", "R1", "R1"]
        assert await store.load_refresh_token(merchant.key) == "R1"


async def test_a_refresh_token_of_another_process_is_used_instead_of_ones_own(tmp_path: Path) -> None:
    """Once written, a refresh token gives way to a newer one in the store; a refused one, to any other."""
    async with FailingStore(tmp_path / "store.db") as store:
        merchant = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0")
        platform = Platform("R1", REFUSED, "R6", "R6", REFUSED, "R6")
        manager = TokenManager(SystemClock(), store)
        await refresh(manager, merchant, platform, 1)
        await wxcv.SQLiteStore.save_refresh_token(store, merchant.key, "R5")
        store.is_failing = False
        await refresh(manager, merchant, platform, 2)
        await store.save_refresh_token(merchant.key, "R7")
        await refresh(manager, merchant, platform, 1)

        assert platform.used == ["R0", "R1", "R5", "R6", "R7", "R6"]


async def test_a_callback_that_is_late_does_not_bring_an_older_refresh_token_back() -> None:
    """When a callback ends after a later refresh, the refresh token of that refresh stays the newest."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def save(refresh_token: str) -> None:
        if refresh_token == "R1":
            begun.set()
            await finish.wait()

    manager, closing, staying = TokenManager(SystemClock()), Platform("R1"), Platform("R2", "R3")
    merchant = wxcv.AuthorizerCredential(COMPONENT, "wxm", "R0", on_refresh_token=save)
    first = asyncio.create_task(manager.get(merchant, closing.send))
    await begun.wait()
    released = asyncio.create_task(manager.release(closing.send))
    await asyncio.gather(first, return_exceptions=True)
    await refresh(manager, merchant, staying, 1)
    finish.set()
    await released
    await refresh(manager, merchant, staying, 1)

    assert staying.used == ["R1", "R2"]


async def test_a_long_account_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged of a store that fails names the account, but not more of it than a line holds."""
    merchant = wxcv.AuthorizerCredential(COMPONENT, "wx" * 500, "R0")
    async with FailingStore(tmp_path / "store.db") as store:
        await TokenManager(SystemClock(), store).get(merchant, Platform("R1").send)

    assert [message.rpartition("; ")[2] for message in caplog.messages] == [
        *("the new token was not stored", "the new refresh token was not stored"),
        "the new token was not stored",
    ]
    assert all(len(message) < 250 for message in caplog.messages)
