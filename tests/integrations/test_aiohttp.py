"""wxcv in aiohttp's web apps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from aiohttp import web
from support.pages import QRCODE
from support.pictures import PICTURE
from support.raw_calls import until
from support.web_apps import make_aiohttp_app, raw_request, serve_aiohttp

import wxcv
from wxcv.integrations.aiohttp import (
    SESSION,
    ClientLeftError,
    cancel_on_disconnect,
    error_middleware,
    get_session,
    read_image,
    session_context,
)
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox


async def test_the_session_is_in_the_app_and_in_its_subapps(session: wxcv.Session) -> None:
    """``app[SESSION]`` is the session while the app runs; a subapp's handlers get it too."""

    async def read_codes(request: web.Request) -> web.Response:
        scan = await get_session(request).scan_qrcode(PICTURE)
        return web.json_response(scan.to_dict())

    app, subapp = web.Application(middlewares=[error_middleware]), web.Application()
    app.cleanup_ctx.append(session_context(lambda: session))
    subapp.router.add_get("/codes", read_codes)
    app.add_subapp("/sub", subapp)

    async with serve_aiohttp(app) as url, httpx.AsyncClient(base_url=url) as http:
        assert app[SESSION] is session
        assert (await http.get("/sub/codes")).json()["code_results"][0]["data"] == "x"
    with pytest.raises(wxcv.SessionClosedError):
        await session.token()


async def test_a_server_that_cancels_handlers_is_left_alone(session: wxcv.Session, box: Sandbox) -> None:
    """With aiohttp's ``handler_cancellation``, a client that leaves ends its call as well."""
    box.fail_next(QRCODE, Fault(stall=True))
    app = make_aiohttp_app(lambda: session)
    async with serve_aiohttp(app, handler_cancellation=True) as url:
        async with raw_request(url, "/codes", f"Content-Length: {len(PICTURE)}") as request:
            await request.send(PICTURE)
            await until(lambda: box.requests[QRCODE] == 1)
            assert session.stats().running == 1
        await until(lambda: session.stats().running == 0)

    assert box.requests[QRCODE] == 1


async def test_other_work_ends_when_the_client_leaves() -> None:
    """``cancel_on_disconnect`` cancels its block, which raises ClientLeftError; an answered block goes on."""
    seen, is_waiting = [], asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        async with cancel_on_disconnect(request):
            await asyncio.sleep(0)
        try:
            async with cancel_on_disconnect(request):
                is_waiting.set()
                await asyncio.Event().wait()
        except ClientLeftError as error:
            seen.append(error)
            raise
        raise AssertionError

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/", wait)
    async with serve_aiohttp(app) as url:
        async with raw_request(url, "/", method="GET"):
            await is_waiting.wait()
        await until(lambda: seen)

    assert isinstance(seen[0], ConnectionResetError)
    assert seen[0].__cause__ is None


async def test_the_start_of_a_form_is_counted_too(session: wxcv.Session) -> None:
    """What comes before the first boundary of a form is dropped, and refused when it has no end."""
    kind = "Content-Type: multipart/form-data; boundary=b0"
    async with serve_aiohttp(make_aiohttp_app(lambda: session)) as url:
        async with raw_request(url, "/codes", kind, "Transfer-Encoding: chunked") as request:
            for _ in range(34):
                await request.send_chunk((b"line" * 1000 + b"\r\n") * 16 + bytes(1000))
            reply = await request.read_reply()

    assert reply.status == 413


@pytest.mark.parametrize(
    "form",
    [
        b"--b0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\nx\r\n--b1--\r\n--b0--\r\n",
        b'--b0\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + b"x" * 40 + b"\r\n--b0--\r\n",
        b"--b0\r\n" + b"X: y\r\n" * 500 + b"\r\nx\r\n--b0--\r\n",
        b"--b0\r\nContent-Length: many\r\n\r\nx\r\n--b0--\r\n",
    ],
    ids=["nested", "charset", "headers", "length"],
)
async def test_what_aiohttp_cannot_read_is_no_image(session: wxcv.Session, form: bytes) -> None:
    """A form that aiohttp refuses, in whatever way, is an image error and no error of the server."""
    headers = {"Content-Type": "multipart/form-data; boundary=b0"}
    async with serve_aiohttp(make_aiohttp_app(lambda: session)) as url, httpx.AsyncClient() as http:
        reply = await http.post(f"{url}/codes", content=form, headers=headers)

    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


async def test_wrong_settings_and_a_missing_session_are_named() -> None:
    """An app without a session, and a limit that is none, are errors of the program."""
    messages = []

    async def handle(request: web.Request) -> web.Response:
        for mistake in (lambda: get_session(request), lambda: read_image(request, limit=0)):
            try:
                await mistake()  # type: ignore[misc] # one of them is no coroutine
            except (RuntimeError, ValueError) as error:
                messages.append(str(error))
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handle)
    async with serve_aiohttp(app) as url, httpx.AsyncClient() as http:
        await http.get(url)

    assert len(messages) == 2
    assert "session_context" in messages[0]
    assert "limit" in messages[1]
