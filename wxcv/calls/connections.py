"""GuardedConnection: keeps a late response on a kept-alive connection from answering the next request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler


class GuardedConnection(asyncio.Protocol):
    """A protocol between a connection and aiohttp that closes it if data arrives while it is idle.

    aiohttp (3.14.5) keeps its parser on a pooled connection, and uses what it parsed there as the response to
    the next request.

    Args:
        transport: the transport of the connection.
        handler: aiohttp's protocol, which reads the responses.

    Attributes:
        user: the request that uses the connection now, or None while it is idle.
    """

    def __init__(self, transport: asyncio.Transport, handler: ResponseHandler) -> None:
        self.user: object = None
        self.handler = handler
        self._transport = transport

    @classmethod
    def of(cls, transport: asyncio.Transport) -> GuardedConnection:
        """Return the GuardedConnection of a transport; install one the first time."""
        protocol = transport.get_protocol()
        if isinstance(protocol, cls):
            return protocol
        guard = cls(transport, cast("ResponseHandler", protocol))
        transport.set_protocol(guard)
        return guard

    def finish(self, user: object) -> bool:
        """Mark the connection as idle, unless another request already uses it.

        Returns:
            Whether more than one response has arrived, so that the right one is unknown. The connection is
            then closed.
        """
        if self.user is not user:
            return False
        self.user = None
        has_more = len(self.handler) > 0  # unread responses
        if has_more:
            self.handler.close()
        return has_more

    def data_received(self, data: bytes) -> None:
        """Pass on data for the current request; while the connection is idle, close it instead."""
        if self.user is None:
            self._transport.abort()
        else:
            self.handler.data_received(data)

    def eof_received(self) -> None:
        """Pass it on to aiohttp."""
        self.handler.eof_received()

    def connection_lost(self, error: BaseException | None) -> None:
        """Pass it on to aiohttp."""
        self.handler.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass it on to aiohttp."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on to aiohttp."""
        self.handler.resume_writing()
