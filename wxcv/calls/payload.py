"""Payload: writes the body of a request for aiohttp."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp

from wxcv.calls.connections import GuardedConnection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

    from wxcv.protocol.requests import Body

_WHOLE = _SLICE = 256 * 1024
_FIRST = 64 * 1024


class Payload(aiohttp.Payload):
    """A body that is written in as few pieces as possible, with a callback before its first byte.

    Every piece is a system call and wakes the peer, which costs more than copying a small body: up to _WHOLE
    bytes are written in one piece with the request's head; of a larger body, the first _FIRST bytes.

    Args:
        body: the body to write.
        before_first_byte: called when its first byte is about to be sent.
        buffers: free buffers of _WHOLE bytes; allocating memory for every copy would cost more than the copy.
        is_guarded: whether the connection is wxcv's own and gets a GuardedConnection.

    Attributes:
        is_started: whether writing has begun.
        is_complete: whether all of it was passed to the connection.
        connection: the GuardedConnection through which it is sent, or None.
    """

    def __init__(
        self,
        body: Body,
        before_first_byte: Callable[[], None],
        buffers: list[memoryview],
        *,
        is_guarded: bool = False,
    ) -> None:
        super().__init__(body, content_type=body.content_type)
        self._body = body
        self._size = body.size
        self._before_first_byte = before_first_byte
        self._buffers = buffers
        self._is_guarded = is_guarded
        self.is_started = self.is_complete = False
        self.connection: GuardedConnection | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text; aiohttp calls it for messages only."""
        return b"".join(self._body.parts).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - always the whole body
    ) -> None:
        """Write the body, once."""
        # aiohttp repeats a GET by itself, but a second token request may end the first one's token.
        if self.is_started:
            raise RuntimeError("a request is sent once")
        connected: asyncio.Transport | None = getattr(writer, "transport", None)
        if connected is not None and self._is_guarded:
            self.connection = GuardedConnection.of(connected)
            if self.connection.may_have_received():
                await self.connection.settle()
            self.connection.user = self
        transport = _require_usable(connected, self.connection)
        self._before_first_byte()
        self.is_started = True
        buffer = self._buffers.pop() if self._buffers else memoryview(bytearray(_WHOLE))
        end, rest = _fill(buffer, self._body)
        await writer.write(buffer[:end])
        if transport.get_write_buffer_size() == 0:  # else some of it may still be needed
            self._buffers.append(buffer)
        size = _piece_size(transport) if rest else 0
        for view in rest:
            for start in range(0, len(view), size):
                await writer.write(view[start : start + size])
        self.is_complete = True


def _require_usable(
    transport: asyncio.Transport | None, guard: GuardedConnection | None
) -> asyncio.Transport:
    """Return the transport, unless it is closed or an unsolicited response has arrived on it."""
    handler: asyncio.BaseProtocol | None = None if guard is None else guard.handler
    if transport is not None and guard is None:
        handler = transport.get_protocol()
    if transport is None or transport.is_closing() or getattr(handler, "should_close", False):
        raise aiohttp.ClientConnectionResetError("the connection cannot be used any more")
    return transport


def _fill(buffer: memoryview, body: Body) -> tuple[int, list[memoryview]]:
    """Copy the start of the body into the buffer; return the number of bytes copied, and the rest."""
    limit = _WHOLE if body.size <= _WHOLE else _FIRST
    end, rest = 0, []
    for part in body.parts:
        start = end
        end = min(start + len(part), limit)
        if end - start == len(part):
            buffer[start:end] = part
        else:
            view = memoryview(part)
            buffer[start:end] = view[: end - start]
            rest.append(view[end - start :])
    return end, rest


def _piece_size(transport: asyncio.Transport) -> int:
    """Return the size of one write: what the system accepts at once, as asyncio on 3.11 copies the rest."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return _SLICE
    # Linux reports twice the requested size, which includes its own bookkeeping.
    size: int = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
    return max(_SLICE, size)
