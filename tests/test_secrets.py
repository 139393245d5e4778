"""No token and no secret in anything that is shown, kept or logged."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from support import pictures
from support.accounts import SECRET, TOKEN
from support.leak_worker import MARK, Impatient
from support.places import SCRIPTS
from support.servers import answer, api_server, http_answer, raw_server, read_request
from support.timeouts import end_attempts

import wxcv
from wxcv.tokens.refresh import CachedToken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

SIGNED = "https://example.com/a.png?sign=MARKED-SIGN"


@pytest.fixture(autouse=True)
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture everything at DEBUG, aiohttp's and asyncio's too."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert MARK not in caplog.text
    assert all(MARK not in repr(vars(record)) for record in caplog.records)


def check(error: BaseException) -> None:
    """Look for the mark wherever an error can show it."""
    seen: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        assert type(one).__module__.split(".")[0] in {"wxcv", "builtins"}, one
        assert MARK not in f"{one} {one!r} {one.args!r} {vars(one)!r}"
        queue += [one.__cause__, one.__context__]
    assert MARK not in "".join(traceback.format_exception(error))
    assert MARK.encode() not in pickle.dumps(error)


def answering(
    body: object, status: int = 200, **headers: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler that reads the request and answers this."""

    async def call(request: web.Request) -> web.Response:
        await request.read()
        if isinstance(body, dict):
            return answer(**body)
        return web.Response(body=str(body), status=status, headers=headers)

    return call


async def echo(request: web.Request) -> web.Response:
    """Repeat the whole request URL, as proxies do in their error pages."""
    await request.read()
    return web.Response(
        text=f"<html>cannot handle {request.url}</html>", status=502, content_type="text/html"
    )


async def echo_json(request: web.Request) -> web.Response:
    """Repeat the token inside errmsg."""
    await request.read()
    return answer(errcode=48001, errmsg=f"api unauthorized for {request.query['access_token']} rid: 1-2-3")


async def echo_img_url(request: web.Request) -> web.Response:
    """Repeat the image's URL inside errmsg."""
    await request.read()
    return answer(errcode=101000, errmsg=f"invalid image url {request.query.get('img_url')}")


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Read the request and close the connection."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return answer()


OPENED: list[wxcv.Session] = []
"""The sessions of the running test."""


async def never(request: web.Request) -> web.StreamResponse:
    """Read the request and never answer; its attempt times out at once."""
    await request.read()
    for session in OPENED:
        end_attempts(session._state.transport)
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[str], wxcv.Session]]:
    """Make sessions of a marked account, which never wait, and so not for the next minute either."""

    def make(url: str) -> wxcv.Session:
        credential = wxcv.AppCredential("wx1", SECRET)
        session = wxcv.Session(credential, base_url=url, clock=Impatient(), image_limit=10_000)
        OPENED.append(session)
        return session

    yield make
    while OPENED:
        await OPENED.pop().aclose(grace=0)


@pytest.mark.parametrize("image", [pictures.qr_png("x"), SIGNED], ids=["upload", "url"])
@pytest.mark.parametrize(
    ("handler", "cls"),
    [
        (answering({"errcode": -1, "errmsg": "system error"}), wxcv.SystemBusyError),
        (answering({"errcode": 45011, "errmsg": "limit"}), wxcv.RateLimitedError),
        (answering({"errcode": 45009, "errmsg": "limit"}), wxcv.QuotaExhaustedError),
        (answering({"errcode": 40001, "errmsg": f"access_token={TOKEN}"}), wxcv.TokenRejectedError),
        (answering({"errcode": 40013, "errmsg": "appid"}), wxcv.CredentialRejectedError),
        (answering({"errcode": 101002, "errmsg": "bad"}), wxcv.ImageRejectedError),
        (echo_img_url, wxcv.ImageUrlRejectedError),
        (answering({"errcode": 99999, "errmsg": f"{TOKEN} {SECRET}"}), wxcv.APIError),
        (answering({"errcode": "odd", "token": TOKEN}), wxcv.ProtocolError),
        (answering({"code_results": f"secret={SECRET} {TOKEN}"}), wxcv.ProtocolError),
        (answering("", 302, Location=f"http://127.0.0.1:9/?access_token={TOKEN}"), wxcv.ProtocolError),
        (answering("{" * 2_000_000), wxcv.ProtocolError),
        (echo, wxcv.ProtocolError),
        (echo_json, wxcv.PermissionDeniedError),
        (hang_up, wxcv.AnswerLostError),
        (never, wxcv.CallTimeoutError),
    ],
)
async def test_no_error_of_a_call_shows_token_or_secret(
    opened: Callable[[str], wxcv.Session],
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    cls: type[wxcv.WxcvError],
    image: bytes | str,
) -> None:
    """Every kind of failure of a call, uploaded or by URL, is an error of ours that shows nothing secret."""
    async with api_server(handler) as url:
        with pytest.raises(cls) as caught:
            await opened(url).scan_qrcode(image)

    assert type(caught.value) is cls
    check(caught.value)


@pytest.mark.parametrize(
    "handler",
    [
        answering({"errcode": 40125, "errmsg": f"invalid appsecret {SECRET}"}),
        answering({"errcode": 40013, "errmsg": f"secret={SECRET}"}),
        answering({"access_token": TOKEN, "expires_in": 0}),
        answering(f'{{"access_token":"{TOKEN}'),
        answering(f'["{TOKEN}"]'),
        answering(f"<html>{SECRET}</html>", 502),
        hang_up,
        never,
    ],
)
async def test_no_error_of_a_token_call_shows_token_or_secret(
    opened: Callable[[str], wxcv.Session], handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    """Every kind of failure of a token request is an error of ours that shows nothing secret."""
    async with api_server(never, handler) as url:
        with pytest.raises(wxcv.WxcvError) as caught:
            await opened(url).scan_qrcode(pictures.qr_png("x"))

    check(caught.value)


async def test_the_classic_kind_hides_its_query() -> None:
    """The classic request, which has the secret in its query, does not show it when it fails."""
    credential = wxcv.AppCredential("wx1", SECRET, stable=False)
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    async with wxcv.Session(credential, base_url=url) as session:
        with pytest.raises(wxcv.ConnectError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    check(caught.value)


async def test_an_answer_that_is_not_http_shows_nothing(opened: Callable[[str], wxcv.Session]) -> None:
    """Garbage that repeats the token is not quoted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        if b"stable_token" in head:
            writer.write(http_answer(f'{{"access_token":"{TOKEN}","expires_in":7200}}'.encode()))
            head, _ = await read_request(reader)
        writer.write(b"garbage " + head)
        await writer.drain()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.WxcvError) as caught:
            await opened(url).scan_qrcode(pictures.qr_png("x"))

    check(caught.value)


async def test_errors_before_sending_show_nothing(opened: Callable[[str], wxcv.Session]) -> None:
    """Refused images and a closed session show neither the query nor the user part of a URL."""
    session = opened("http://127.0.0.1:9")
    for image in (
        b"",
        b"x" * 20_000,
        b"text",
        "missing.png",
        "https://u:MARKED-PASSWORD@example.com/?MARKED",
    ):
        with pytest.raises(wxcv.ImageError) as refused:
            await session.scan_qrcode(image)
        check(refused.value)
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError) as closed:
        await session.scan_qrcode(SIGNED)
    check(closed.value)


async def test_hooks_and_reprs_show_nothing() -> None:
    """Neither the events of on_attempt nor the repr of any public object shows token or secret."""
    shown: list[object] = []
    credential = wxcv.AppCredential("wx1", SECRET)
    async with (
        api_server(answering({"errcode": 0, "code_results": []})) as url,
        wxcv.Session(credential, base_url=url, on_attempt=shown.append) as session,
    ):
        await session.scan_qrcode(SIGNED)
        shown += [session, credential, wxcv.ImageUrl(SIGNED), wxcv.AccessToken(TOKEN, 1.0), session._state]
        shown.append(CachedToken.of(TOKEN, "app", 7200.0, (0.0, 0.0), 0.0))

    assert len(shown) == 7
    assert MARK not in repr(shown)


async def test_a_failing_proxy_shows_no_password() -> None:
    """The password of a proxy that cannot be reached is not shown."""
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    proxy = url.replace("//", "//user:MARKED-PASSWORD@")
    async with wxcv.Session(wxcv.AppCredential("wx1", SECRET), proxy=proxy) as session:
        with pytest.raises(wxcv.ConnectError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))
        assert MARK not in repr(session)

    check(caught.value)


@pytest.mark.parametrize("mode", [[], ["debug"]], ids=["no logging", "debug"])
async def test_peers_that_hang_up_bring_no_secret_to_light(mode: list[str]) -> None:
    """Peers that close or reset at any byte of any request bring no secret into errors or to stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "default", str(SCRIPTS / "leak_worker.py"), "1", *mode),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 100)
    told = json.loads(out)

    assert told["calls"] == told["errors"] > 300
    assert told["found"] == []
    assert MARK.encode() not in err
    assert mode or err.count(b"the token refresh for") == 2  # told by warnings, as nothing else would


def test_the_check_itself_can_fail() -> None:
    """The check of this file finds the mark in an error of aiohttp that shows its URL."""
    error = aiohttp.InvalidURL(f"http://x/?access_token={TOKEN}")
    with pytest.raises(AssertionError):
        check(error)
