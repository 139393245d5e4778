"""Whatever a server or a proxy repeats of what a call knows, no error shows it."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.pictures import PICTURE
from support.servers import http_answer, raw_server, read_request

import wxcv
from wxcv.calls.proxies import find_secrets
from wxcv.clock import SystemClock
from wxcv.protocol.answers import Response, decode
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from wxcv.protocol.requests import Request


PLATFORM = wxcv.ComponentCredential("wxp", "MARKED-APPSECRET", "MARKED-TICKET")
MERCHANT = wxcv.AuthorizerCredential(PLATFORM, "wxm", "MARKED-GIVEN-REFRESH")


@asynccontextmanager
async def answering(make: Callable[[str], bytes]) -> AsyncIterator[str]:
    """Serve what the function makes of a request's first lines; yields the base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            writer.write(make(head.decode()))
            await writer.drain()

    async with raw_server(serve) as url:
        yield url


def told(**fields: object) -> bytes:
    """Make a JSON answer."""
    return http_answer(json.dumps(fields).encode())


def echoing_proxy(head: str) -> bytes:
    """Refuse as a proxy that names what it was sent, in all its forms."""
    (pair,) = (line.split()[-1] for line in head.splitlines() if line.startswith("Proxy-Authorization"))
    _, _, password = base64.b64decode(pair).decode("latin-1").partition(":")
    told = f"of {password} or {quote(password, safe='')} or {quote(quote(password))} as {pair}"
    return http_answer(told.encode(), "403 Forbidden")


@pytest.mark.parametrize("password", ["hunter2secret", "p%40ss%3Aw%C3%B6rd%2F", "p%2540ss"])
@pytest.mark.parametrize("source", ["argument", "environment"])
async def test_a_proxy_that_repeats_its_password_is_masked(
    password: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's password is masked in what the proxy answers: plain, percent-encoded, and as it was sent."""
    async with answering(echoing_proxy) as url:
        proxy = url.replace("//", f"//bob:{password}@")
        monkeypatch.setenv("http_proxy", proxy)
        given: dict[str, Any] = {"proxy": proxy} if source == "argument" else {"trust_env": True}
        credential = wxcv.StaticTokenCredential("abcdefgh")
        async with wxcv.Session(
            credential, base_url="http://api.invalid", allow_http=True, **given
        ) as session:
            with pytest.raises(wxcv.ProtocolError) as caught:
                await session.scan_qrcode(PICTURE)

    assert caught.value.excerpt == "of *** or *** or *** as ***"


async def test_the_user_of_a_proxy_without_a_password_is_masked() -> None:
    """A proxy's user without a password is masked like a password."""
    async with answering(lambda _head: told(errcode=1, errmsg="who is key-1234?")) as url:
        proxy = url.replace("//", "//key-1234@")
        credential = wxcv.AppCredential("wx1", "MARKED-SECRET")
        async with wxcv.Session(
            credential, base_url="http://api.invalid", allow_http=True, proxy=proxy
        ) as session:
            with pytest.raises(wxcv.APIError) as caught:
                await session.token()

    assert caught.value.errmsg == "who is ***?"


async def test_a_proxy_that_repeats_its_password_in_an_answer_of_the_wrong_shape_is_masked() -> None:
    """A proxy's password is also masked in JSON that does not match the documented format."""
    async with answering(lambda _head: told(errcode=0, code_results="of hunter2secret")) as url:
        proxy = url.replace("//", "//bob:hunter2secret@")
        credential = wxcv.StaticTokenCredential("abcdefgh")
        async with wxcv.Session(
            credential, base_url="http://api.invalid", allow_http=True, proxy=proxy
        ) as session:
            with pytest.raises(wxcv.ProtocolError) as caught:
                await session.scan_qrcode(PICTURE)

    assert caught.value.excerpt == '{"errcode": 0, "code_results": "of ***"}'


async def test_a_token_that_was_refused_before_is_masked() -> None:
    """After a refresh in the middle of a call, the answer to the new token may name the old one."""
    tokens = iter(["FIRST-TOKEN", "SECOND-TOKEN"])

    def make(head: str) -> bytes:
        if "stable_token" in head:
            return told(access_token=next(tokens), expires_in=7200)
        if "FIRST-TOKEN" in head:
            return told(errcode=42001, errmsg="expired")
        return told(errcode=40097, errmsg="was FIRST-TOKEN replaced by SECOND-TOKEN?")

    async with answering(make) as url:
        async with wxcv.Session(wxcv.AppCredential("wx1", "MARKED-SECRET"), base_url=url) as session:
            with pytest.raises(wxcv.APIError) as caught:
                await session.scan_qrcode(PICTURE)

    assert caught.value.errmsg == "was *** replaced by ***?"


async def test_a_merchants_call_shows_no_token_of_its_platform() -> None:
    """In the answer to a merchant's image the newest refresh token and the platform's token are masked."""

    def make(head: str) -> bytes:
        if "api_component_token" in head:
            return told(component_access_token="PLATFORM-TOKEN", expires_in=7200)
        if "api_authorizer_token" in head:
            newest = {"authorizer_refresh_token": "NEWEST-REFRESH"}
            return told(authorizer_access_token="MERCHANT-TOKEN", expires_in=7200, **newest)
        names = "NEWEST-REFRESH, PLATFORM-TOKEN, MERCHANT-TOKEN, MARKED-GIVEN-REFRESH, MARKED-TICKET"
        return told(errcode=40097, errmsg=names)

    async with answering(make) as url, wxcv.Session(MERCHANT, base_url=url) as session:
        with pytest.raises(wxcv.APIError) as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.errmsg == "***, ***, ***, ***, ***"


async def test_a_token_request_shows_nothing_of_those_before() -> None:
    """When a merchant's token is fetched again, the tokens that were used and refused before are masked."""
    platform_tokens = iter(["FIRST-TOKEN", "SECOND-TOKEN"])
    answers = iter(
        [
            {
                "authorizer_access_token": "OLD",
                "expires_in": 7200,
                "authorizer_refresh_token": "NEWEST-REFRESH",
            },
            {"errcode": 42001, "errmsg": "expired"},
            {"errcode": 61003, "errmsg": "FIRST-TOKEN, SECOND-TOKEN, NEWEST-REFRESH, MARKED-GIVEN-REFRESH"},
        ]
    )

    async def send(request: Request) -> Response:
        if request.path.endswith("api_component_token"):
            fields = {"component_access_token": next(platform_tokens), "expires_in": 7200}
        else:
            fields = next(answers)
        return Response(200, {}, json.dumps(fields).encode())

    cache = TokenManager(SystemClock())
    old = await cache.get(MERCHANT, send)
    cache.invalidate(MERCHANT, old, wxcv.TokenRejectedError(42001, "expired"))
    with pytest.raises(wxcv.PermissionDeniedError) as caught:
        await cache.get(MERCHANT, send)

    assert caught.value.errmsg == "***, ***, ***, ***"


async def test_a_ticket_that_was_asked_for_is_masked() -> None:
    """A ticket from the caller's function is masked in the response to the request."""

    async def ticket() -> str:
        return "TICKET-OF-TODAY"

    async def send(_request: Request) -> Response:
        return Response(200, {}, b'{"errcode":61006,"errmsg":"TICKET-OF-TODAY is too old"}')

    with pytest.raises(wxcv.CredentialRejectedError) as caught:
        await TokenManager(SystemClock()).get(
            wxcv.ComponentCredential("wxp", "MARKED-APPSECRET", ticket), send
        )

    assert caught.value.errmsg == "*** is too old"


@pytest.mark.parametrize("between", ["rid: 1 ", "hint: [x]"])
def test_a_suffix_that_is_taken_out_joins_no_secret(between: str) -> None:
    """A secret that had rid or hint in its middle is masked after their removal."""
    secret = "abc-1234567-abcdefg-ABCDEFG"
    pieces = [secret[start : start + 7] for start in range(0, len(secret), 7)]
    errmsg = f" {between}".join(pieces)
    response = Response(200, {}, json.dumps({"errcode": 40097, "errmsg": errmsg}).encode())
    with pytest.raises(wxcv.APIError) as caught:
        decode(response, known=[secret])

    assert caught.value.errmsg == "***"


def test_rid_and_hint_are_masked() -> None:
    """A secret in the place of WeChat's ID of the request is masked."""
    errmsg = "bad hint: [a secret-1234] rid: secret-1234"
    response = Response(200, {}, json.dumps({"errcode": 40097, "errmsg": errmsg}).encode())
    with pytest.raises(wxcv.APIError) as caught:
        decode(response, known=["secret-1234"])

    assert (caught.value.errmsg, caught.value.hint, caught.value.rid) == ("bad", "a ***", "***")


def test_a_proxy_of_the_environment_that_is_no_url_is_left_to_aiohttp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy that cannot be parsed has no secrets that wxcv would know, and hides those of no other."""
    monkeypatch.setenv("http_proxy", "http://[bad")
    monkeypatch.setenv("https_proxy", "http://bob:hunter2secret@proxy:3128")
    assert find_secrets("http://[bad", trust_env=True)[:1] == ("hunter2secret",)
