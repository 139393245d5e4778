"""Third-party platforms and their merchants, from end to end against a sandbox."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from support.pages import AUTHORIZER_TOKEN
from support.pictures import PICTURE
from support.redis_server import RedisServer
from support.tokens import turn

import wxcv
from wxcv.sandbox import Choices, Sandbox
from wxcv.tokens.cache import get_manager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def component_of(box: Sandbox) -> wxcv.ComponentCredential:
    """Return the sandbox's platform, with the newest ticket whenever it is asked."""

    async def newest_ticket() -> str:
        return box.ticket

    return wxcv.ComponentCredential(box.component_appid, box.component_appsecret, newest_ticket)


def merchant_of(box: Sandbox, keep: Callable[[str], object]) -> wxcv.AuthorizerCredential:
    """Return a merchant of that platform, whose new refresh tokens go to the function."""
    return wxcv.AuthorizerCredential(component_of(box), "wxm1", box.authorize("wxm1"), on_refresh_token=keep)


@pytest.fixture
async def platform(box: Sandbox) -> AsyncIterator[wxcv.Session]:
    """A session of the sandbox's platform."""
    async with wxcv.Session(component_of(box), base_url=box.base_url) as session:
        yield session


async def test_a_merchants_image_is_read(box: Sandbox, platform: wxcv.Session) -> None:
    """A call on behalf of a merchant goes out with the merchant's token, had with the component's."""
    component = component_of(box)
    merchant = platform.on_behalf_of(wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1")))

    assert (await merchant.scan_qrcode(PICTURE)).code_results[0].data == "x"
    assert (await merchant.token()).kind == "authorizer"
    assert (box.tokens_issued["component"], box.tokens_issued["authorizer"]) == (1, 1)


async def test_five_thousand_merchants_share_one_component_token(box: Sandbox) -> None:
    """5,000 merchants at once need one component token, and the cache holds no more tokens than its size."""
    component, tokens = component_of(box), wxcv.TokenCache(maxsize=1000)
    async with wxcv.Session(component, base_url=box.base_url, tokens=tokens, concurrency=32) as session:
        merchants = [
            session.on_behalf_of(wxcv.AuthorizerCredential(component, f"wx{n}", box.authorize(f"wx{n}")))
            for n in range(5000)
        ]
        for start in range(0, 5000, 500):
            await asyncio.gather(*(merchant.token() for merchant in merchants[start : start + 500]))

    assert (box.tokens_issued["component"], box.tokens_issued["authorizer"]) == (1, 5000)
    manager = get_manager(tokens)
    assert len(manager._cached) == len(manager._accounts) == 1000
    assert len(manager._refresh_state.refresh_tokens) == 5000


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_new_refresh_token_is_handed_on_and_used(is_async: bool) -> None:
    """A rotated refresh token is handed to the callback, and is the only one that works from then on."""
    kept: list[str] = []

    async def keep(refresh_token: str) -> None:
        await asyncio.sleep(0)
        kept.append(refresh_token)

    async with Sandbox(choices=Choices(refresh_token_rotates=True, old_refresh_token_works=False)) as box:
        component, first = component_of(box), box.authorize("wxm1")
        callback = keep if is_async else kept.append
        credential = wxcv.AuthorizerCredential(component, "wxm1", first, on_refresh_token=callback)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            for _ in range(3):
                await session.token()
                session.invalidate_token()

    assert len(set(kept)) == 3
    assert first not in kept


async def test_the_same_refresh_token_is_not_handed_on() -> None:
    """If WeChat answers the refresh token that was given, the callback is not called."""
    kept: list[str] = []
    async with Sandbox(choices=Choices(refresh_token_rotates=False)) as box:
        credential = wxcv.AuthorizerCredential(
            component_of(box), "wxm1", box.authorize("wxm1"), on_refresh_token=kept.append
        )
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            await session.token()

    assert kept == []


async def test_a_callback_that_fails_is_called_again(caplog: pytest.LogCaptureFixture) -> None:
    """If the callback raises, the token is used all the same, its class is logged, and it is called again."""
    calls: list[str] = []

    def keep(refresh_token: str) -> None:
        calls.append(refresh_token)
        raise ZeroDivisionError(refresh_token)

    async with Sandbox(choices=Choices(refresh_token_rotates=True, old_refresh_token_works=False)) as box:
        credential = merchant_of(box, keep)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            assert (await session.scan_qrcode(PICTURE)).code_results
            session.invalidate_token()
            await session.token()

    assert len(calls) == 2
    assert "ZeroDivisionError" in caplog.text
    assert not any(refresh_token in caplog.text for refresh_token in calls)


async def test_a_new_authorisation_replaces_the_old_one(box: Sandbox, platform: wxcv.Session) -> None:
    """After a new authorisation the new refresh token works, although the old one was kept."""
    component = component_of(box)
    first = platform.on_behalf_of(wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1")))
    await first.token()
    first.invalidate_token()
    second = platform.on_behalf_of(wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1")))

    assert (await second.scan_qrcode(PICTURE)).code_results


async def test_an_expired_component_token_is_refreshed_for_a_merchant() -> None:
    """A component's token that was refused meanwhile is refreshed once, and the merchant's is fetched."""
    async with Sandbox() as box:
        component = component_of(box)
        async with wxcv.Session(component, base_url=box.base_url) as session:
            box.revoke((await session.token()).value)
            merchant = session.on_behalf_of(
                wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1"))
            )

            assert (await merchant.scan_qrcode(PICTURE)).code_results
        assert box.tokens_issued["component"] == 2
        assert box.requests[AUTHORIZER_TOKEN] == 2


async def test_a_rotated_refresh_token_is_shared() -> None:
    """A merchant's newest refresh token is found by another process, although the old one is dead."""
    server = RedisServer()
    await server.start()
    async with (
        Sandbox(choices=Choices(refresh_token_rotates=True, old_refresh_token_works=False)) as box,
        server.client() as redis,
    ):
        credential = wxcv.AuthorizerCredential(component_of(box), "wxm1", box.authorize("wxm1"))
        tokens = set()
        for _ in range(2):
            async with wxcv.Session(
                credential, base_url=box.base_url, store=wxcv.RedisStore(redis)
            ) as session:
                tokens.add((await session.token()).value)
                session.invalidate_token()
                tokens.add((await session.token()).value)
    await server.aclose()

    assert len(tokens) == 3


async def test_a_refresh_token_that_cannot_be_shared_is_kept_here(caplog: pytest.LogCaptureFixture) -> None:
    """If Redis dies while a refresh token is rotated, the new one is kept here, and that is logged."""
    server = RedisServer()
    await server.start()

    async def ticket() -> str:
        await server.stop()
        return box.ticket

    async with (
        Sandbox(choices=Choices(refresh_token_rotates=True, old_refresh_token_works=False)) as box,
        server.client() as redis,
    ):
        component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, ticket)
        credential = wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1"))
        async with wxcv.Session(credential, base_url=box.base_url, store=wxcv.RedisStore(redis)) as session:
            await session.token()
    await server.aclose()

    assert "the new refresh token was not stored" in caplog.text


async def test_closing_waits_for_a_refresh_token_that_is_being_kept() -> None:
    """If the session is closed while a callback keeps a rotated refresh token, the callback is let finish."""
    begun, finish, log = asyncio.Event(), asyncio.Event(), []

    async def keep(_refresh_token: str) -> None:
        begun.set()
        await finish.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        log.append("kept")

    async with Sandbox(choices=Choices(refresh_token_rotates=True)) as box:
        credential = merchant_of(box, keep)
        session = wxcv.Session(credential, base_url=box.base_url)
        call = asyncio.create_task(session.token())
        await begun.wait()
        closing = asyncio.create_task(session.aclose(grace=0))
        await turn(50)
        assert not closing.done()
        finish.set()
        await closing
        assert log == ["kept"]
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


async def test_a_failure_to_keep_a_refresh_token_is_told_also_when_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A callback that fails while the session is closed is logged like any other."""
    begun, fail = asyncio.Event(), asyncio.Event()

    async def keep(_refresh_token: str) -> None:
        begun.set()
        await fail.wait()
        raise LookupError

    async with Sandbox(choices=Choices(refresh_token_rotates=True)) as box:
        credential = merchant_of(box, keep)
        session = wxcv.Session(credential, base_url=box.base_url)
        call = asyncio.create_task(session.token())
        await begun.wait()
        closing = asyncio.create_task(session.aclose(grace=0))
        await turn(50)
        fail.set()
        await closing
        with pytest.raises(wxcv.SessionClosedError):
            await call

    assert "keep did not save the new refresh token: it raised LookupError at " in caplog.text


async def test_a_callback_that_hangs_does_not_cost_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """A callback has 5 s; then it is cancelled, that is logged, and the merchant's token is used."""
    clock, begun, ended = wxcv.ManualClock(), asyncio.Event(), asyncio.Event()

    async def keep(_refresh_token: str) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Sandbox(choices=Choices(refresh_token_rotates=True)) as box:
        credential = merchant_of(box, keep)
        async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
            call = asyncio.create_task(session.token())
            await begun.wait()
            clock.advance(5)

            assert (await call).kind == "authorizer"
            assert ended.is_set()
    assert "keep did not save the new refresh token: it did not finish within 5 s" in caplog.text


async def test_a_function_that_is_cancelled_by_itself_is_no_storm(box: Sandbox) -> None:
    """A ticket function that raises CancelledError ends in a TokenSourceError, and is not called again."""
    calls = []

    async def ticket() -> str:
        calls.append(1)
        raise asyncio.CancelledError

    component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, ticket)
    async with wxcv.Session(component, base_url=box.base_url) as session:
        with pytest.raises(wxcv.TokenSourceError, match="ticket raised CancelledError"):
            await session.token()

    assert len(calls) == 1


async def test_a_stale_ticket_is_told(box: Sandbox) -> None:
    """A ticket that WeChat does not know is a CredentialRejectedError with the remedy, for merchants too."""
    component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, "ticket@@@stale")
    credential = wxcv.AuthorizerCredential(component, "wxm1", box.authorize("wxm1"))
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        with pytest.raises(wxcv.CredentialRejectedError, match="component_verify_ticket") as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.errcode in {61005, 61006}


async def test_a_merchant_that_never_authorised_is_told(box: Sandbox, platform: wxcv.Session) -> None:
    """A merchant that did not authorise the platform is refused, and nothing secret is logged."""
    merchant = platform.on_behalf_of(wxcv.AuthorizerCredential(component_of(box), "wxm9", "nobody"))
    with pytest.raises(wxcv.APIError) as caught:
        await merchant.scan_qrcode(PICTURE)

    assert caught.value.errcode in {61003, 61023}


async def test_a_ticket_function_that_fails_is_told_as_such(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """What a ticket function raises becomes a TokenSourceError with its class, and shows nothing of it."""

    async def broken() -> str:
        raise KeyError("MARKED")

    caplog.set_level(logging.DEBUG)
    component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, broken)
    async with wxcv.Session(component, base_url=box.base_url, call_timeout=5) as session:
        with pytest.raises(
            wxcv.TokenSourceError, match=r"broken raised KeyError at .*test_platform.py:"
        ) as caught:
            await session.token()
        assert (caught.value.reason, caught.value.__cause__, caught.value.__context__) == (
            "KeyError",
            None,
            None,
        )

    assert "MARKED" not in caplog.text


async def test_closing_a_session_made_on_behalf_changes_nothing(box: Sandbox, platform: wxcv.Session) -> None:
    """A session on behalf of a merchant can be closed without ending the one it came from."""
    credential = wxcv.AuthorizerCredential(component_of(box), "wxm1", box.authorize("wxm1"))
    async with platform.on_behalf_of(credential) as merchant:
        await merchant.token()

    assert (await platform.on_behalf_of(credential).scan_qrcode(PICTURE)).code_results
    with pytest.raises(TypeError, match="credential"):
        platform.on_behalf_of("wxm1")  # type: ignore[arg-type]
