"""How long answers, tokens and requests may be, and where long answers are decoded."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from support.accounts import TOKEN
from support.pictures import PICTURE
from support.servers import answer, api_server

import wxcv
from wxcv.protocol.answers import TOKEN_ANSWER_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("size", "is_compressed", "thread"),
    [
        (1000, False, "MainThread"),
        (130_000, False, "MainThread"),
        (140_000, False, "wxcv reader"),
        (1000, True, "wxcv"),
    ],
)
async def test_large_answers_are_decoded_in_a_reader_thread(
    size: int, is_compressed: bool, thread: str
) -> None:
    """An answer over 128 KiB, or a compressed one, is decoded in a thread of the session's own."""
    body = json.dumps({"errcode": 0, "padding": "x" * size}).encode()
    threads = []

    def read(fields: Mapping[str, Any]) -> int:
        threads.append(threading.current_thread().name)
        return len(fields["padding"])

    async def call(request: web.Request) -> web.Response:
        await request.read()
        headers = {"Content-Encoding": "gzip"} if is_compressed else {}
        return web.Response(body=gzip.compress(body) if is_compressed else body, headers=headers)

    endpoint = wxcv.Endpoint("size", "/cv/img/size", read)
    async with (
        api_server(call) as url,
        wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url) as session,
    ):
        assert await session.call(endpoint, PICTURE) == size

    assert threads[0].startswith(thread)


async def test_a_token_answer_has_at_most_64_kib() -> None:
    """An answer to a token request that is larger is a ProtocolError."""

    async def token_page(_request: web.Request) -> web.Response:
        return answer(access_token=TOKEN, expires_in=7200, padding="x" * TOKEN_ANSWER_LIMIT)

    async with (
        api_server(token_page, token_page) as url,
        wxcv.Session(wxcv.AppCredential("a", "s"), base_url=url) as session,
    ):
        with pytest.raises(wxcv.ProtocolError, match="more than 65,536 bytes"):
            await session.token()


@pytest.mark.parametrize(("length", "is_accepted"), [(2048, True), (2049, False)])
async def test_a_token_has_at_most_2048_characters(length: int, is_accepted: bool) -> None:
    """A token of 2,048 characters is used, and a longer one is a ProtocolError that says so."""

    async def token_page(_request: web.Request) -> web.Response:
        return answer(access_token="M" * length, expires_in=7200)

    async with (
        api_server(token_page, token_page) as url,
        wxcv.Session(wxcv.AppCredential("a", "s"), base_url=url) as session,
    ):
        if is_accepted:
            assert (await session.token()).value == "M" * length
            return
        with pytest.raises(wxcv.ProtocolError, match="at most 2,048 characters, not 2,049"):
            await session.token()


async def test_every_request_tells_its_length() -> None:
    """Every kind of request, of tokens and of images, has a Content-Length and no chunks."""
    seen: dict[str, tuple[str | None, str | None]] = {}

    async def note(request: web.Request) -> web.Response:
        body = await request.read()
        headers = request.headers
        seen[request.path] = (headers.get("Content-Length"), headers.get("Transfer-Encoding"))
        assert headers.get("Content-Length") == str(len(body))
        return answer(
            errcode=0,
            access_token="T",
            component_access_token="T",
            expires_in=7200,
            authorizer_access_token="T",
            authorizer_refresh_token="R",
        )

    app = web.Application(client_max_size=4_000_000)
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    component = wxcv.ComponentCredential("p", "s", "t")
    credentials = [
        wxcv.AppCredential("a", "s"),
        wxcv.AppCredential("a", "s", stable=False),
        wxcv.AuthorizerCredential(component, "m", "r"),
    ]
    endpoint = wxcv.Endpoint("any", "/cv/any", dict, ("extra",))
    for credential in credentials:
        async with wxcv.Session(credential, base_url=url) as session:
            await session.call(endpoint, PICTURE, fields={"extra": "é"})
            await session.call(endpoint, PICTURE + bytes(1_000_000))
            await session.call(endpoint, "https://example.com/a.png")
    await runner.cleanup()

    assert set(seen) == {
        *("/cv/any", "/cgi-bin/token", "/cgi-bin/stable_token"),
        *("/cgi-bin/component/api_component_token", "/cgi-bin/component/api_authorizer_token"),
    }
    assert all(length is not None and chunks is None for length, chunks in seen.values())


@pytest.mark.parametrize("status", [411, 412])
async def test_a_missing_length_is_told_in_its_words(status: int) -> None:
    """The error for a 412, WeChat's answer to a request without Content-Length, says what it means."""

    async def call(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status)

    async with (
        api_server(call) as url,
        wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url) as session,
    ):
        with pytest.raises(wxcv.ProtocolError, match="without Content-Length; wxcv always sends one"):
            await session.scan_qrcode(PICTURE)
