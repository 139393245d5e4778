"""One request out, one response or one of our errors in."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import aiohttp.client_exceptions
import pytest
import trustme
from aiohttp import web
from servers import answer, api_server, http_answer, raw_server, read_request

import wxcv
from wxcv.calls.payload import Payload
from wxcv.calls.transport import ERROR_KINDS, Transport, _find, translate
from wxcv.protocol.answers import ANSWER_LIMIT
from wxcv.protocol.requests import Body, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

UPLOAD = Request(
    "POST", "/cv/x", (("access_token", "MARKED-TOKEN"),), Body("image/png", (b"head", b"x" * 600_000))
)
BY_URL = Request("POST", "/cv/x", (("access_token", "MARKED-TOKEN"),))


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports that are closed after the test."""
    transports: list[Transport] = []

    def make(base_url: str, *, attempt_timeout: float = 5.0, **options: object) -> Transport:
        transport = Transport(base_url, connections=2, attempt_timeout=attempt_timeout, **options)  # type: ignore[arg-type]
        transports.append(transport)
        return transport

    yield make
    for transport in transports:
        await transport.aclose()


async def test_a_body_arrives_as_it_is(opened: Callable[..., Transport]) -> None:
    """Head and a large part arrive in order, with length, type and target, and departure is told once."""
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
    """A refused connection is a ConnectError with the system's number, and nothing has left."""
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    left: list[bool] = []
    with pytest.raises(wxcv.ConnectError, match="nothing was sent") as caught:
        await opened(url).send(request_, lambda: left.append(True))

    assert (caught.value.reason, caught.value.errno, left) == ("ClientConnectorError", 111, [])


@pytest.mark.parametrize("request_", [UPLOAD, BY_URL], ids=["upload", "url"])
async def test_a_lost_answer_is_told_apart(opened: Callable[..., Transport], request_: Request) -> None:
    """A connection that ends after the request was read is an AnswerLostError, and departure was told."""
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
    """A GET whose connection breaks is not repeated behind our backs, on a new connection or an old one."""
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


class KeepingWriter:
    """A writer whose transport sends nothing and keeps what it is given, as some event loops do."""

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
    """A body that still waits in a transport is whole after others were written from the same buffers."""
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


async def test_a_cut_answer_is_lost(opened: Callable[..., Transport]) -> None:
    """An answer cut in the middle of its body, or of its chunks, is an AnswerLostError."""
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


async def test_a_peer_that_never_answers_times_out(opened: Callable[..., Transport]) -> None:
    """No answer within attempt_timeout is a CallTimeoutError."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.CallTimeoutError, match="in time"):
            await opened(url, attempt_timeout=0.1).send(BY_URL)


async def test_a_peer_that_never_reads_times_out(opened: Callable[..., Transport]) -> None:
    """A stalled upload ends at attempt_timeout too, which a limit on reads alone would never do."""
    big = Request("POST", "/x", (), Body("image/png", (bytes(64 * 1024 * 1024),)))

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.CallTimeoutError):
            await opened(url, attempt_timeout=0.3).send(big)


async def test_a_slow_body_times_out(opened: Callable[..., Transport]) -> None:
    """An answer that drips for ever ends at attempt_timeout."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.CallTimeoutError):
            await opened(url, attempt_timeout=0.2).send(BY_URL)


@pytest.mark.parametrize("bytes_", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_an_answer_that_is_not_http_is_a_protocol_error(
    opened: Callable[..., Transport], bytes_: bytes
) -> None:
    """Bytes that are no HTTP answer are a ProtocolError without a status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(bytes_)
        await writer.drain()

    async with raw_server(serve) as url:
        with pytest.raises(wxcv.ProtocolError, match="not HTTP") as caught:
            await opened(url).send(BY_URL)

    assert caught.value.status is None


async def test_ten_thousand_headers_are_a_protocol_error(opened: Callable[..., Transport]) -> None:
    """An answer with a header section beyond all measure is a ProtocolError after one attempt."""
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
    """No more than the limit of an answer is read."""
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
    """An answer that does not tell its length is read to its end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (b'{"errcode"', b":0}", b""))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        await writer.drain()

    async with raw_server(serve) as url:
        assert (await opened(url).send(BY_URL)).body == b'{"errcode":0}'


async def test_a_compressed_answer_is_not_inflated_on_the_way(opened: Callable[..., Transport]) -> None:
    """The bytes of a compressed bomb are kept as they came."""
    bomb = gzip.compress(bytes(50 * ANSWER_LIMIT))

    async def call(_request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with api_server(call) as url:
        response = await opened(url).send(Request("POST", "/cv/a/b"))

    assert response.body == bomb


async def test_an_answer_that_switches_protocols_leaves_no_connection_behind(
    opened: Callable[..., Transport],
) -> None:
    """After an answer with status 101 nothing is left open, which aiohttp would tell with the whole URL."""
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
    """A redirect is given back as it is, and the other host sees nothing."""
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


async def test_a_borrowed_session_is_overridden_and_left_open() -> None:
    """What a borrowed session switched on does not apply, and closing us leaves it open."""

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
    """A borrowed session that its owner closed gives SessionClosedError."""
    http = aiohttp.ClientSession()
    await http.close()
    with pytest.raises(wxcv.SessionClosedError):
        await Transport("http://127.0.0.1:9", connections=1, attempt_timeout=5.0, http=http).send(BY_URL)


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


KINDS = {
    "ClientError": "lost",
    "ClientConnectionError": "lost",
    "ClientConnectionResetError": "lost",
    "ClientOSError": "lost",
    "ClientPayloadError": "lost",
    "ServerConnectionError": "lost",
    "ServerDisconnectedError": "lost",
    "UploadAbortedError": "lost",
    "ServerTimeoutError": "timeout",
    "SocketTimeoutError": "timeout",
    "ConnectionTimeoutError": "connect",
    "ClientConnectorError": "connect",
    "ClientConnectorDNSError": "connect",
    "ClientConnectorSSLError": "connect",
    "ClientConnectorCertificateError": "connect",
    "ClientSSLError": "connect",
    "ClientProxyConnectionError": "connect",
    "ClientHttpProxyError": "connect",
    "UnixClientConnectorError": "connect",
    "ServerFingerprintMismatch": "connect",
    "InvalidURL": "connect",
    "InvalidUrlClientError": "connect",
    "InvalidUrlRedirectClientError": "connect",
    "NonHttpUrlClientError": "connect",
    "NonHttpUrlRedirectClientError": "connect",
    "RedirectClientError": "protocol",
    "ClientResponseError": "protocol",
    "ContentTypeError": "protocol",
    "TooManyRedirects": "protocol",
    "WSServerHandshakeError": "protocol",
}


def test_every_error_of_aiohttp_is_mapped() -> None:
    """Each error class of the installed aiohttp is known here, by name, with what becomes of it."""
    classes = {
        cls.__name__: cls
        for cls in vars(aiohttp.client_exceptions).values()
        if isinstance(cls, type) and issubclass(cls, aiohttp.ClientError)
    }

    assert {name: _find(ERROR_KINDS, cls.__new__(cls)) for name, cls in classes.items()} == {
        name: KINDS[name] for name in classes
    }
    assert {_find(ERROR_KINDS, TimeoutError()), _find(ERROR_KINDS, OSError())} == {"timeout", "lost"}
    assert set(ERROR_KINDS.values()) == {"connect", "timeout", "lost", "protocol"}
