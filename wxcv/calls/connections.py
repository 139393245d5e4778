"""What keeps a late response on a kept-alive connection from answering the next request."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Any, cast

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


_KEEPALIVE_SECONDS = 15.0
REUSE_DELAY = 0.02  # seconds
_TURNS = 3  # of the event loop: one to find that there is something to read, one to read it


class DelayedReuseConnector(aiohttp.TCPConnector):
    """A TCPConnector that uses no connection again within REUSE_DELAY after its last response.

    Whatever arrives within that time arrives while the connection is idle, and GuardedConnection closes it.
    Under load, up to `calls per second * REUSE_DELAY` idle connections are open beside those in use. aiohttp
    has no public setting for this.

    Args:
        limit: maximum connections in use.
        monotonic: returns monotonic time in seconds.
    """

    def __init__(self, limit: int, monotonic: Callable[[], float]) -> None:
        super().__init__(limit=limit, keepalive_timeout=_KEEPALIVE_SECONDS)
        self._monotonic = monotonic

    def _get(self, key: ConnectionKey, traces: list[Trace]) -> Coroutine[Any, Any, Connection | None]:
        now = self._monotonic()
        for protocol, idle_since in self._conns.get(key, ()):  # longest idle first, as aiohttp takes them
            seconds = now - idle_since
            if seconds < REUSE_DELAY:
                return _find_none()  # aiohttp opens another one
            if seconds <= _KEEPALIVE_SECONDS and protocol.is_connected():
                break
        return super()._get(key, traces)


async def _find_none() -> None:
    """Return no connection."""


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
        self._is_new = True
        self._transport = transport
        self._poll = _watch(transport)

    @classmethod
    def of(cls, transport: asyncio.Transport) -> GuardedConnection:
        """Return the GuardedConnection of a transport; install one the first time."""
        protocol = transport.get_protocol()
        if isinstance(protocol, cls):
            return protocol
        guard = cls(transport, cast("ResponseHandler", protocol))
        transport.set_protocol(guard)
        return guard

    def may_have_received(self) -> bool:
        """Return whether something may have arrived while the connection was idle."""
        return not self._is_new and self._is_readable()

    async def settle(self) -> None:
        """Close the connection if something has arrived on it while it was idle, even if it was not read yet.

        It was not if the program's own code has held the event loop meanwhile.
        """
        for _ in range(_TURNS):
            if self._transport.is_closing() or not self._is_readable():
                return
            await asyncio.sleep(0)
        self._transport.abort()  # nobody reads it

    def _is_readable(self) -> bool:
        if self._poll is None:  # pragma: no cover - Windows
            connection = self._transport.get_extra_info("socket")
            return bool(select.select([connection], [], [], 0)[0])
        return bool(self._poll.poll(0))

    def finish(self, user: object) -> bool:
        """Mark the connection as idle, unless another request already uses it.

        Returns:
            Whether more than one response has arrived, so that the right one is unknown. The connection is
            then closed.
        """
        if self.user is not user:
            return False
        self.user, self._is_new = None, False
        has_more = len(self.handler) > 0  # answers that nobody has read
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


def _watch(transport: asyncio.Transport) -> select.poll | None:
    """Return what tells whether there is something to read; None on Windows, which has no such thing."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return None
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll
