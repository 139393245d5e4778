"""Answers that a server should not give."""

from __future__ import annotations

import asyncio
import gc
import gzip
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.servers import answer, api_server, http_answer, raw_server, read_request
from support.uploads import BY_URL, UPLOAD

import wxcv
from wxcv.protocol.answers import ANSWER_LIMIT
from wxcv.protocol.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from wxcv.calls.transport import Transport


async def test_a_cut_answer_is_lost(opened: Callable[..., Transport]) -> None:
    """A response that is cut off in its body or chunks raises AnswerLostError."""
    for cut in (
        http_answer(b'{"errcode":0}' * 10)[:-60],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nshort",
    ):

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: bytes = cut) -> None:
            await read_request(reader)
            writer.write(cut)
            await writer.drain()

        async with raw_server(serve) as url:
            with pytest.raises(wxcv.AnswerLostError):
                await opened(url).send(BY_URL)


@pytest.mark.parametrize("bytes_", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_an_answer_that_is_not_http_is_a_protocol_error(
    opened: Callable[..., Transport], bytes_: bytes
) -> None:
    """Bytes that are not an HTTP response raise a ProtocolError without a status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(bytes_)
        await writer.drain()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.ProtocolError, match="not HTTP") as caught:
            await opened(url).send(BY_URL)

    assert caught.value.status is None


async def test_ten_thousand_headers_are_a_protocol_error(opened: Callable[..., Transport]) -> None:
    """A response with an oversized header section raises ProtocolError after one attempt."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n")
        await writer.drain()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.ProtocolError):
            await opened(url).send(BY_URL)

    assert requests == 1


async def test_an_endless_answer_is_cut(opened: Callable[..., Transport]) -> None:
    """A response is read up to the limit and no further."""
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.ProtocolError, match="more than 1,048,576 bytes"):
            await opened(url).send(BY_URL)

    assert written < 32 * ANSWER_LIMIT


async def test_a_chunked_answer_is_read(opened: Callable[..., Transport]) -> None:
    """A response without a length is read to its end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (b'{"errcode"', b":0}", b""))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        await writer.drain()

    async with raw_server(serve) as url:
        assert (await opened(url).send(BY_URL)).body == b'{"errcode":0}'


async def test_a_compressed_answer_is_not_inflated_on_the_way(opened: Callable[..., Transport]) -> None:
    """A compressed bomb is not decompressed."""
    bomb = gzip.compress(bytes(50 * ANSWER_LIMIT))

    async def call(_request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with api_server(call) as url:
        response = await opened(url).send(Request("POST", "/cv/a/b"))

    assert response.body == bomb


async def test_an_answer_that_switches_protocols_leaves_no_connection_behind(
    opened: Callable[..., Transport],
) -> None:
    """A response with status 101 leaves nothing open, about which aiohttp would warn with the whole URL."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        upgrade = b"Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: websocket"
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n\r\n")
        await writer.drain()

    async with raw_server(serve) as url:
        response = await opened(url).send(BY_URL)
        gc.collect()

    assert (response.status, told) == (101, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(opened: Callable[..., Transport], status: int) -> None:
    """A redirect is returned as it is, and the other host gets no request."""
    visitors = 0

    async def other(_request: web.Request) -> web.Response:
        nonlocal visitors
        visitors += 1
        return answer(errcode=0)

    async with api_server(other) as elsewhere:

        async def call(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{elsewhere}/cv/a/b"})

        async with api_server(call) as url:
            response = await opened(url).send(Request("POST", "/cv/a/b", (), UPLOAD.body))

    assert (response.status, visitors) == (status, 0)
