"""An answer that nobody asked for never becomes the next image's."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme
import uvloop
from support.servers import http_answer, raw_server, read_request
from support.timeouts import one_second_ahead

import wxcv
from wxcv.calls.connections import GuardedConnection
from wxcv.calls.transport import Transport
from wxcv.protocol.requests import Body, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

STRAYS = {
    "whole answer": http_answer(b'{"number": "stray"}'),
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "head alone": b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n",
    "one byte": b"H",
    "time-out": http_answer(b"", "408 Request Timeout", "Connection: close\r\n"),
    "garbage": b"\r\n\r\n\0\0\0",
}


class Repeating:
    """Answers every request with its number, and sends further bytes when the test says so."""

    def __init__(self, more: bytes = b"") -> None:
        self.more = more
        self.requests = self.connections = self.open = 0
        self.writer: asyncio.StreamWriter | None = None
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.open += 1
        self.writer = writer
        try:
            while True:
                await read_request(reader)
                self.requests += 1
                writer.write(http_answer(json.dumps({"number": self.requests}).encode()) + self.more)
                await writer.drain()
        finally:
            self.open -= 1
            async with self.changed:
                self.changed.notify_all()

    async def send_stray(self, data: bytes) -> None:
        """Send what nobody asked for, and return when the client has closed that connection."""
        assert self.writer is not None
        before = self.open
        self.writer.write(data)
        async with self.changed:
            await self.changed.wait_for(lambda: self.open < before)


@asynccontextmanager
async def transport_to(url: str, http: aiohttp.ClientSession | None = None) -> AsyncIterator[Transport]:
    """Open a transport that uses connections again at once, with a session of its own or that one."""
    transport = Transport(url, connections=2, attempt_timeout=5.0, http=http, monotonic=one_second_ahead)
    try:
        yield transport
    finally:
        await transport.aclose()


async def ask(transport: Transport) -> object:
    """Send a request and return the number in its answer."""
    response = await transport.send(Request("POST", "/"))
    return json.loads(response.body)["number"]


def runner(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes an event loop of that name."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[name]


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
def test_an_answer_on_an_idle_connection_ends_the_connection(name: str, is_secure: bool) -> None:
    """Whatever arrives on an idle connection closes it, and the next request has a new one and its answer."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def main() -> None:
        server = Repeating()
        async with raw_server(server.serve, ssl=context if is_secure else None) as url:
            async with transport_to(url) as transport:
                # Its own session, but for the authority that this one trusts.
                transport._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting))
                for number, stray in enumerate(STRAYS.values()):
                    assert await ask(transport) == 2 * number + 1
                    assert await ask(transport) == 2 * number + 2
                    assert server.connections == number + 1  # it was kept alive until then
                    await server.send_stray(stray)

    with asyncio.Runner(loop_factory=runner(name)) as loop:
        loop.run(main())


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_an_answer_that_came_while_the_program_held_the_loop_ends_the_connection(name: str) -> None:
    """Bytes that arrived while the event loop was busy are not taken for the next request's response."""

    async def main() -> None:
        server = Repeating()
        async with raw_server(server.serve) as url, transport_to(url) as transport:
            for number, stray in enumerate(STRAYS.values()):
                assert await ask(transport) == number + 1
                assert server.writer is not None
                connection = server.writer.get_extra_info("socket")
                os.write(connection.fileno(), stray)  # the event loop does not run between this and the next
                with pytest.raises(wxcv.ConnectError, match="nothing was sent"):
                    await ask(transport)

    with asyncio.Runner(loop_factory=runner(name)) as loop:
        loop.run(main())


async def test_a_connection_is_used_again_only_after_a_delay(opened: Callable[..., Transport]) -> None:
    """Requests within REUSE_DELAY of a response open other connections; after it, they use the idle ones."""
    now = time.monotonic()
    server = Repeating()
    async with raw_server(server.serve) as url:
        transport = opened(url, monotonic=lambda: now)
        assert await ask(transport) == 1
        assert await ask(transport) == 2
        assert server.connections == 2
        now = one_second_ahead()
        assert await ask(transport) == 3
        assert server.connections == 2


async def test_two_answers_to_one_request_are_none() -> None:
    """Two responses that arrive together raise AnswerLostError, as either may be the right one."""
    server = Repeating(STRAYS["whole answer"])
    async with raw_server(server.serve) as url, transport_to(url) as transport:
        for _ in range(3):
            with pytest.raises(wxcv.AnswerLostError, match="more than one response"):
                await ask(transport)

    assert server.connections == 3


async def test_a_borrowed_session_notices_a_whole_stray_answer() -> None:
    """On a borrowed connection, a complete stray response is detected before the next request."""
    server = Repeating()
    async with (
        raw_server(server.serve) as url,
        aiohttp.ClientSession() as http,
        transport_to(url, http) as transport,
    ):
        assert await ask(transport) == 1
        assert server.writer is not None
        server.writer.write(STRAYS["whole answer"])
        (pooled,) = http.connector._conns.values()  # type: ignore[union-attr]
        while not pooled[0][0].should_close:
            await asyncio.sleep(0)
        with pytest.raises(wxcv.ConnectError, match="nothing was sent"):
            await ask(transport)

        assert await ask(transport) == 2


async def test_an_answer_before_the_whole_image_is_not_its_answer() -> None:
    """A success that arrives during the upload raises AnswerLostError; a refusal is raised as such."""
    statuses = ["200 OK", "413 Payload Too Large"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http_answer(b"{}", statuses.pop(0)))
        await reader.read()

    body = Body("image/png", (bytes(60_000_000),))
    async with raw_server(serve) as url, transport_to(url) as transport:
        with pytest.raises(wxcv.AnswerLostError, match="before it had received the whole request"):
            await transport.send(Request("POST", "/", (), body))
        assert (await transport.send(Request("POST", "/", (), body))).status == 413


async def test_a_connection_that_is_used_again_at_once_is_not_taken_for_idle() -> None:
    """Many requests over few connections, each taken up the moment it is free, keep their connections."""
    server = Repeating()
    async with raw_server(server.serve) as url, transport_to(url) as transport:
        numbers = await asyncio.gather(*(ask(transport) for _ in range(200)))

    assert sorted(numbers) == list(range(1, 201))  # type: ignore[type-var]
    assert server.connections == 2


async def test_a_connection_that_nobody_reads_is_not_used_again() -> None:
    """If reading from an idle connection is paused and something has arrived, the connection is closed."""
    server = Repeating()
    async with raw_server(server.serve) as url, transport_to(url) as transport:
        assert await ask(transport) == 1
        assert transport._http is not None
        assert server.writer is not None
        (pooled,) = transport._http.connector._conns.values()  # type: ignore[union-attr]
        pooled[0][0].transport.pause_reading()
        server.writer.write(STRAYS["one byte"])
        with pytest.raises(wxcv.ConnectError, match="nothing was sent"):
            await ask(transport)

        assert await ask(transport) == 2


async def test_a_request_that_took_a_connection_over_keeps_it() -> None:
    """A connection that serves the next request already does not become idle when the last one is done."""
    server = Repeating()
    async with raw_server(server.serve) as url, transport_to(url) as transport:
        assert await ask(transport) == 1
        assert transport._http is not None
        (pooled,) = transport._http.connector._conns.values()  # type: ignore[union-attr]
        guard = GuardedConnection.of(pooled[0][0].transport)
        first, second = object(), object()
        guard.user = second

        assert not guard.finish(first)
        assert guard.user is second
        assert not guard.finish(second)
        assert guard.user is None
