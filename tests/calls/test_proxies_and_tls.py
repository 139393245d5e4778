"""Borrowed HTTP sessions, certificates and proxies."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import TYPE_CHECKING

import aiohttp
import aiohttp.client_exceptions
import pytest
import trustme
from aiohttp import web
from support.servers import api_server, http_answer, raw_server, read_request
from support.uploads import BY_URL, UPLOAD

import wxcv
from wxcv.calls.transport import Transport
from wxcv.protocol.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_borrowed_session_is_overridden_and_left_open() -> None:
    """The settings of a borrowed session do not apply, and closing the transport leaves it open."""

    async def meddle(*_: object) -> aiohttp.ClientResponse:
        raise AssertionError("a middleware ran")

    async def call(_request: web.Request) -> web.Response:
        return web.Response(status=500, body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    strict = aiohttp.ClientTimeout(total=1e-9)
    async with (
        api_server(call) as url,
        aiohttp.ClientSession(raise_for_status=True, middlewares=[meddle], timeout=strict) as http,
    ):
        transport = Transport(url, connections=1, attempt_timeout=5.0, http=http)
        response = await transport.send(Request("POST", "/cv/a/b"))
        await transport.aclose()

        assert (response.status, gzip.decompress(response.body)) == (500, b"{}")
        assert not http.closed


async def test_a_closed_borrowed_session_is_told() -> None:
    """A borrowed session that its owner has closed raises SessionClosedError."""
    http = aiohttp.ClientSession()
    await http.close()
    with pytest.raises(wxcv.SessionClosedError):
        await Transport("http://127.0.0.1:9", connections=1, attempt_timeout=5.0, http=http).send(BY_URL)


@pytest.mark.parametrize(("trusted", "host"), [(False, "localhost"), (True, "other.example")])
async def test_a_bad_certificate_is_a_connect_error(trusted: bool, host: str) -> None:
    """An untrusted certificate, or one for another host, ends before anything is sent."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(host).configure_cert(server)
    if trusted:
        authority.configure_trust(client)
    accepted: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        accepted.append(await reader.read())

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector(ssl=client)
    async with listening, aiohttp.ClientSession(connector=connector) as http:
        transport = Transport(f"https://localhost:{port}", connections=1, attempt_timeout=5.0, http=http)
        with pytest.raises(wxcv.ConnectError, match="certificate"):
            await transport.send(UPLOAD)

    assert b"".join(accepted) == b""


async def test_an_upload_goes_through_tls() -> None:
    """An upload over TLS with a trusted certificate arrives."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        writer.write(http_answer(str(len(body)).encode()))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    async with listening, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client)) as http:
        transport = Transport(f"https://localhost:{port}", connections=1, attempt_timeout=5.0, http=http)
        assert (await transport.send(UPLOAD)).body == b"600004"


async def test_a_proxy_is_used_with_its_password(opened: Callable[..., Transport]) -> None:
    """With a proxy the whole URL goes to it, with its user and password."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        heads.append(head)
        writer.write(http_answer(b"{}"))
        await writer.drain()

    async with raw_server(serve) as url:
        transport = opened("http://api.invalid", proxy=url.replace("//", "//user:pass@"))
        await transport.send(BY_URL)

    assert heads[0].startswith(b"POST http://api.invalid/cv/x?access_token=MARKED-TOKEN HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in heads[0]


async def test_the_environments_proxy_is_used_when_trusted(
    opened: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With trust_env the proxy of the environment is used."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(http_answer(b"{}"))
        await writer.drain()

    async with raw_server(serve) as url:
        monkeypatch.setenv("http_proxy", url)
        await opened("http://api.invalid", trust_env=True).send(BY_URL)

    assert heads[0].startswith(b"POST http://api.invalid/cv/x")


async def test_a_failing_proxy_does_not_show_its_password(opened: Callable[..., Transport]) -> None:
    """A proxy that refuses, wants a password, or is not there is a ConnectError without its password."""
    for status in ("407 Proxy Authentication Required", "403 Forbidden", None):

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str | None = status
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if status:
                writer.write(http_answer(b"", status))
                await writer.drain()

        async with raw_server(serve) as url:
            proxy = url.replace("//", "//user:MARKED-PASSWORD@")
            with pytest.raises(wxcv.ConnectError) as caught:
                await opened("https://api.invalid", proxy=proxy).send(UPLOAD)
        assert "MARKED" not in str(caught.value)
        with pytest.raises(wxcv.ConnectError) as caught:
            await opened("https://api.invalid", proxy=proxy).send(UPLOAD)
        assert "MARKED" not in str(caught.value)
