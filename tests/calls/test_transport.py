"""One request out, one response or one of our errors in."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import aiohttp.client_exceptions
import pytest
from aiohttp import web
from support.servers import answer, api_server, http_answer, raw_server, read_request
from support.timeouts import FOR_EVER, end_attempts
from support.tokens import turn
from support.uploads import BY_URL, UPLOAD

import wxcv
from wxcv.calls.payload import Payload
from wxcv.calls.transport import Transport, translate
from wxcv.protocol.requests import Body, Request

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_body_arrives_as_it_is(opened: Callable[..., Transport]) -> None:
    """Head and a large part arrive in order, with length, type and target; the send is reported once."""
    seen: list[tuple[str, bytes, str, str | None]] = []
    left: list[bool] = []

    async def call(request: web.Request) -> web.Response:
        seen.append(
            (
                request.path_qs,
                await request.read(),
                request.content_type,
                request.headers.get("Content-Length"),
            )
        )
        return answer(errcode=0)

    async with api_server(call) as url:
        request = Request("POST", "/cv/a/b", UPLOAD.query, UPLOAD.body)
        response = await opened(url).send(request, lambda: left.append(True))

    assert seen == [("/cv/a/b?access_token=MARKED-TOKEN", b"head" + b"x" * 600_000, "image/png", "600004")]
    assert (response.status, response.body, left) == (200, b'{"errcode": 0}', [True])
    assert response.headers["content-type"] == "application/json; encoding=utf-8"


@pytest.mark.parametrize("request_", [UPLOAD, BY_URL], ids=["upload", "url"])
async def test_nobody_listening_is_a_connect_error(
    opened: Callable[..., Transport], request_: Request
) -> None:
    """A refused connection is a ConnectError with the system's error number, and nothing was sent."""
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    left: list[bool] = []
    with pytest.raises(wxcv.ConnectError, match="nothing was sent") as caught:
        await opened(url).send(request_, lambda: left.append(True))

    assert (caught.value.reason, caught.value.errno, left) == ("ClientConnectorError", 111, [])


@pytest.mark.parametrize("request_", [UPLOAD, BY_URL], ids=["upload", "url"])
async def test_a_lost_answer_is_told_apart(opened: Callable[..., Transport], request_: Request) -> None:
    """A connection that ends after the request was read is an AnswerLostError, and the send was reported."""
    left: list[bool] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.AnswerLostError):
            await opened(url).send(request_, lambda: left.append(True))

    assert left == [True]


async def test_a_connection_that_closed_before_the_body_left_is_a_connect_error() -> None:
    """A pooled connection that is found closing when the body is due counts as not sent."""
    payload = Payload(UPLOAD.body or Body("", ()), lambda: None, [])

    class Writer:
        transport = None

    with pytest.raises(aiohttp.ClientConnectionResetError) as caught:
        await payload.write(Writer())  # type: ignore[arg-type]

    assert isinstance(translate(caught.value, "host", is_started=payload.is_started), wxcv.ConnectError)
    assert payload.decode() == "head" + "x" * 600_000


async def test_a_request_is_sent_once(opened: Callable[..., Transport]) -> None:
    """aiohttp does not repeat a GET whose connection breaks, whether that is new or kept."""
    arrived = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        while await read_request(reader):
            arrived += 1
            if arrived != 2:
                break
            writer.write(http_answer(b"{}"))
            await writer.drain()
        writer.close()

    request_ = Request("GET", "/cgi-bin/token")
    async with raw_server(serve) as url:
        transport = opened(url)
        with pytest.raises(wxcv.AnswerLostError):
            await transport.send(request_)
        assert (await transport.send(request_)).status == 200
        with pytest.raises(wxcv.AnswerLostError):
            await transport.send(request_)

    assert arrived == 3


async def test_a_request_that_was_sent_is_lost_also_if_no_new_connection_is_had(
    opened: Callable[..., Transport],
) -> None:
    """A GET whose server goes away after it is an AnswerLostError, as it may have ended the last token."""
    arrived = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await read_request(reader)
        writer.write(http_answer(b"{}"))
        await read_request(reader)
        arrived += 1
        listening.close()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    request_ = Request("GET", "/cgi-bin/token")
    async with listening:
        transport = opened(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        assert (await transport.send(request_)).status == 200
        with pytest.raises(wxcv.AnswerLostError, match=r"was lost \(ClientConnectorError"):
            await transport.send(request_)

    assert arrived == 1


class KeepingWriter:
    """A writer whose transport sends nothing and keeps the bytes that it gets, as some event loops do."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.written: list[memoryview] = []
        self.transport = SimpleNamespace(
            is_closing=lambda: False,
            get_protocol=asyncio.Protocol,
            get_extra_info={"socket": connection}.get,
            get_write_buffer_size=lambda: sum(map(len, self.written)),
        )

    async def write(self, chunk: memoryview) -> None:
        """Keep it."""
        self.written.append(chunk)


async def test_a_large_image_is_written_in_pieces() -> None:
    """With little room in the socket's buffer, or none known of, one write has 256 KiB at most."""
    body = UPLOAD.body or Body("", ())
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)
        for connection in (small, None):
            writer = KeepingWriter(connection)
            await Payload(body, lambda: None, []).write(writer)  # type: ignore[arg-type]

            assert max(map(len, writer.written)) == 256 * 1024
            assert b"".join(writer.written) == b"".join(body.parts)


async def test_what_waits_to_be_sent_is_not_written_over() -> None:
    """A body that is still queued in a transport is unchanged after others used the same buffers."""
    bodies = [Body("image/png", (b"head", bytes([number]) * 1000, b"tail")) for number in range(3)]
    writers = [KeepingWriter(None) for _ in bodies]
    buffers: list[memoryview] = []
    for body, writer in zip(bodies, writers, strict=True):
        await Payload(body, lambda: None, buffers).write(writer)  # type: ignore[arg-type]

    assert [b"".join(writer.written) for writer in writers] == [b"".join(body.parts) for body in bodies]


async def test_uploads_to_a_peer_that_reads_slowly_arrive_whole(opened: Callable[..., Transport]) -> None:
    """Different bodies, sent all at once over connections with small buffers, arrive as they were."""
    arrived = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = bytearray()
        while len(body) < length:
            body += await reader.read(5_000)
            await asyncio.sleep(0)
        arrived.append(bytes(body))
        writer.write(http_answer(b"{}"))
        await writer.drain()

    def small(info: aiohttp.AddrInfoType) -> socket.socket:
        made = socket.socket(info[0], info[1], info[2])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)
        return made

    sizes = (10_000, 100_000, 261_000, 263_000, 700_000)
    bodies = [Body("image/png", (b"head", bytes([at]) * size, b"tail")) for at, size in enumerate(sizes * 3)]
    connector = aiohttp.TCPConnector(socket_factory=small)
    async with raw_server(slow) as url, aiohttp.ClientSession(connector=connector) as http:
        transport = opened(url, attempt_timeout=30.0, http=http)
        await asyncio.gather(*(transport.send(Request("POST", "/cv/x", (), body)) for body in bodies))

    assert sorted(arrived) == sorted(b"".join(body.parts) for body in bodies)


async def test_a_peer_that_never_answers_times_out(opened: Callable[..., Transport]) -> None:
    """No answer within attempt_timeout is a CallTimeoutError."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        end_attempts(transport)
        await reader.read()

    async with raw_server(serve) as url:
        transport = opened(url, attempt_timeout=FOR_EVER)
        with pytest.raises(wxcv.CallTimeoutError, match="in time"):
            await transport.send(BY_URL)


async def test_attempt_timeout_is_one_of_real_seconds(opened: Callable[..., Transport]) -> None:
    """An attempt ends by itself; on a slow machine perhaps before anything was sent."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(serve) as url:
        with pytest.raises((wxcv.CallTimeoutError, wxcv.ConnectError)):
            await opened(url, attempt_timeout=0.1).send(BY_URL)


async def test_a_peer_that_never_reads_times_out(opened: Callable[..., Transport]) -> None:
    """A stalled upload ends at attempt_timeout too, although nothing is read."""
    big = Request("POST", "/x", (), Body("image/png", (bytes(64 * 1024 * 1024),)))

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await turn(20)  # until neither side has room for more
        end_attempts(transport)
        await asyncio.Event().wait()

    async with raw_server(serve) as url:
        transport = opened(url, attempt_timeout=FOR_EVER)
        with pytest.raises(wxcv.CallTimeoutError):
            await transport.send(big)


async def test_a_slow_body_times_out(opened: Callable[..., Transport]) -> None:
    """A response that never ends is cut off at attempt_timeout."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(20):
            writer.write(b" ")
            await turn()
        end_attempts(transport)
        await asyncio.Event().wait()

    async with raw_server(serve) as url:
        transport = opened(url, attempt_timeout=FOR_EVER)
        with pytest.raises(wxcv.CallTimeoutError):
            await transport.send(BY_URL)


async def test_cancelling_closes_the_connection(opened: Callable[..., Transport]) -> None:
    """A cancelled request leaves no connection in the pool and the transport usable."""
    arrived, connections = asyncio.Event(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        arrived.set()
        if connections > 1:
            writer.write(http_answer(b"{}"))
        else:
            await reader.read()

    async with raw_server(serve) as url:
        transport = opened(url)
        task = asyncio.create_task(transport.send(BY_URL))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (await transport.send(BY_URL)).status == 200
        assert connections == 2
