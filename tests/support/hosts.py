"""Hosts of the API that fail in a given way, and count."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from support.servers import answer, api_server, http_answer, raw_server, read_request, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Peer:
    """A server whose behaviour can be changed, and which counts.

    Attributes:
        fault: what it does instead of answering; "" answers.
        connections: how many were opened.
        bodies: how many requests it read.
        may_answer: set, unless it is to wait.
        url: its base URL.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.connections = self.bodies = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        if self.fault == "closes the handshake":
            return
        if self.fault == "ignores the handshake":
            await reader.read()  # what the client sends, until it gives up
            await asyncio.Event().wait()
        await read_request(reader)
        self.bodies += 1
        await self.may_answer.wait()
        if self.fault == "resets":
            reset(writer)
            return
        if self.fault == "hangs":
            await asyncio.Event().wait()
        status = self.fault.partition(",")[0]
        errcode = 40066 if "40066" in self.fault else 0
        body = (
            b'{"errcode":%d,"code_results":[],"items":[]}' % errcode
            if status in {"", "200 OK"}
            else b"<html>"
        )
        writer.write(http_answer(body, status or "200 OK", "Connection: close\r\n"))
        await writer.drain()


@asynccontextmanager
async def peer(fault: str = "") -> AsyncIterator[Peer]:
    """Serve as a host of the API with a fault."""
    made = Peer(fault)
    async with AsyncExitStack() as stack:
        made.url = await stack.enter_async_context(raw_server(made.serve))
        if "handshake" in fault:
            made.url = made.url.replace("http:", "https:")
        if fault == "refuses":
            await stack.aclose()
        if fault == "does not accept":
            made.url = stack.enter_context(full_backlog())
        yield made


class full_backlog:  # noqa: N801 - used as a function
    """A context manager: a listener whose queue is full, so that connecting to it hangs; gives its URL."""

    def __enter__(self) -> str:
        self.sockets = [socket.socket() for _ in range(5)]
        listening, *clients = self.sockets
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for client in clients:
            client.setblocking(False)  # noqa: FBT003 - its only argument
            client.connect_ex(listening.getsockname())
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.close()


@asynccontextmanager
async def revived(main: Peer, fault: str = "") -> AsyncIterator[Peer]:
    """Serve again where a host refused."""
    again = Peer(fault)

    async def call(request: web.Request) -> web.Response:
        await request.read()
        again.bodies += 1
        await again.may_answer.wait()
        return answer(errcode=0, code_results=[]) if not fault else web.Response(status=int(fault))

    async with api_server(call, port=int(main.url.rsplit(":", 1)[1])):
        yield again


def name(host: Peer) -> str:
    """Return a host's name in messages."""
    return host.url.partition("//")[2]
