"""Tokens as a session uses them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from redis.asyncio import Redis
from support import pictures
from support.accounts import APP, TOKEN
from support.pages import QRCODE
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox


async def test_one_token_serves_many_calls(session: wxcv.Session, box: Sandbox) -> None:
    """Twenty calls at once need one token."""
    picture = pictures.qr_png("x")
    await asyncio.gather(*(session.scan_qrcode(picture) for _ in range(20)))

    assert box.requests[QRCODE] == 20
    assert sum(box.tokens_issued.values()) == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_refreshed_once_and_the_same_bytes_go_again(errcode: int) -> None:
    """One refusal of the token costs one new token and one more send of exactly the same body."""
    bodies: list[tuple[str, bytes]] = []
    tokens_issued = 0

    async def call(request: web.Request) -> web.StreamResponse:
        bodies.append((request.query["access_token"], await request.read()))
        return (
            answer(errcode=errcode, errmsg="no") if len(bodies) == 1 else answer(errcode=0, code_results=[])
        )

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens_issued
        tokens_issued += 1
        return answer(access_token=f"T{tokens_issued}", expires_in=7200)

    async with api_server(call, token_page) as url, wxcv.Session(APP, base_url=url) as session:
        await session.scan_qrcode(pictures.qr_png("x"))

    assert [token for token, _ in bodies] == ["T1", "T2"]
    assert bodies[0][1] == bodies[1][1]
    assert tokens_issued == 2


async def test_a_token_that_is_always_refused_ends_after_two_sends() -> None:
    """If the new token is refused too, the call ends in TokenRejectedError after two sends."""
    sends = tokens_issued = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sends
        await request.read()
        sends += 1
        return answer(errcode=40001, errmsg="invalid credential")

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens_issued
        tokens_issued += 1
        return answer(access_token=f"T{tokens_issued}", expires_in=7200)

    async with api_server(call, token_page) as url, wxcv.Session(APP, base_url=url) as session:
        with pytest.raises(wxcv.TokenRejectedError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert (sends, tokens_issued, caught.value.sends) == (2, 2, 2)
    assert caught.value.elapsed > 0


async def test_a_missing_token_code_is_not_repeated() -> None:
    """41001, which no new token mends, is not sent again."""
    sends = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sends
        await request.read()
        sends += 1
        return answer(errcode=41001, errmsg="access_token missing")

    async with api_server(call) as url, wxcv.Session(APP, base_url=url) as session:
        with pytest.raises(wxcv.TokenRejectedError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert sends == 1


async def test_a_wrong_secret_is_told(box: Sandbox) -> None:
    """A wrong secret is a CredentialRejectedError from the token call, and no image leaves."""
    async with wxcv.Session(wxcv.AppCredential(box.appid, "0" * 32), base_url=box.base_url) as session:
        with pytest.raises(wxcv.CredentialRejectedError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert caught.value.errcode == 40125
    assert caught.value.sends == 0
    assert box.requests[QRCODE] == 0


async def test_sessions_can_share_their_tokens(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """Two sessions with one TokenCache need one token, also after the first was closed."""
    tokens = wxcv.TokenCache()
    for _ in range(2):
        async with wxcv.Session(credential, base_url=box.base_url, tokens=tokens) as session:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert sum(box.tokens_issued.values()) == 1


async def test_sessions_have_tokens_and_store_from_one_place() -> None:
    """A store beside a shared TokenCache is refused, as the cache has its own."""
    with pytest.raises(ValueError, match="store"):
        wxcv.Session(APP, tokens=wxcv.TokenCache(), store=wxcv.RedisStore(Redis()))


async def test_a_dead_stable_token_is_healed_by_one_forced_refresh(
    box: Sandbox, session: wxcv.Session
) -> None:
    """A stable token that is dead but still handed out is replaced by exactly one forced refresh."""
    box.revoke((await session.token()).value)
    scans = await asyncio.gather(*(session.scan_qrcode(pictures.qr_png("x")) for _ in range(8)))

    assert all(scan.code_results for scan in scans)
    assert box.tokens_issued["stable"] == 2


async def test_a_second_dead_token_within_half_a_minute_is_told(box: Sandbox, session: wxcv.Session) -> None:
    """A second dead token within 30 s of a forced refresh ends in TokenRejectedError and forces nothing."""
    for expected in (True, False):
        box.revoke((await session.token()).value)
        if expected:
            await session.scan_qrcode(pictures.qr_png("x"))
    for _ in range(5):
        with pytest.raises(wxcv.TokenRejectedError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert box.tokens_issued["stable"] == 2


async def test_an_operator_can_drop_a_token(box: Sandbox, session: wxcv.Session) -> None:
    """invalidate_token drops the living token, and the next call has another, by force."""
    session.invalidate_token()
    old = await session.token()
    session.invalidate_token()
    new = await session.token()

    assert (old.kind, new.kind, box.tokens_issued["stable"]) == ("stable", "stable", 2)
    assert old.value != new.value
    assert 0 < new.expires_in <= 7200


async def test_no_token_is_spent_on_text_of_html() -> None:
    """HTML from a captive portal is a ProtocolError, and the token is kept."""
    tokens_issued = 0

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return aiohttp.web.Response(text="<html>sign in</html>", content_type="text/html")

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens_issued
        tokens_issued += 1
        return answer(access_token=TOKEN, expires_in=7200)

    async with api_server(call, token_page) as url, wxcv.Session(APP, base_url=url) as session:
        for _ in range(2):
            with pytest.raises(wxcv.ProtocolError):
                await session.scan_qrcode(pictures.qr_png("x"))

    assert tokens_issued == 1
