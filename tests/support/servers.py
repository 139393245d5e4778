"""Small scripted servers for what no well-behaved server does."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from support.accounts import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from ssl import SSLContext


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    ssl: SSLContext | None = None,
) -> AsyncIterator[str]:
    """Serve raw connections, over TLS with a context; yields the base URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=ssl)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{'http' if ssl is None else 'https'}://{host}:{port}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request: its head, and a body of its Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    return head, await reader.readexactly(size)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the peer gets a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def http_answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """Make the bytes of an answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@asynccontextmanager
async def api_server(
    call: Callable[[web.Request], Awaitable[web.StreamResponse]],
    token_page: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    *,
    port: int = 0,
) -> AsyncIterator[str]:
    """Serve both endpoints with ``call`` and the token endpoints with ``token_page``; yields the base URL."""

    async def default_token_page(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"access_token": TOKEN, "expires_in": 7200})

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/cgi-bin/{kind}", token_page or default_token_page)
    app.router.add_route("*", "/cv/{kind}/{name}", call)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def answer(**fields: object) -> web.Response:
    """Make a JSON answer as WeChat does."""
    return web.Response(
        body=json.dumps(fields).encode(), headers={"Content-Type": "application/json; encoding=utf-8"}
    )
