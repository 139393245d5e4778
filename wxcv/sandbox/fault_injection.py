"""FaultInjector: applies faults to connections."""

import asyncio
import itertools
import socket
import struct
from typing import Never, cast

from aiohttp import web

from wxcv.sandbox.faults import Fault

# SO_LINGER: closing resets the connection, whatever is still in its buffers.
_RESET = struct.pack("ii", 1, 0)
_SPACE = 0x20


class FaultInjector:
    """Applies faults until the sandbox closes."""

    def __init__(self) -> None:
        self._closing = asyncio.get_running_loop().create_future()

    async def close(self, _application: web.Application) -> None:
        """End every delay, drip and stall by resetting its connection."""
        self._closing.set_result(None)

    async def before(self, fault: Fault, request: web.Request) -> None:
        """Apply the part of a fault that comes before the body of the request is read.

        Raises:
            ConnectionError: the connection was reset.
        """
        await self._sleep(fault.delay, request)
        if fault.drop == "before":
            _reset(request)
        if fault.stall:
            _stop_reading(request)
            await self._sleep(None, request)

    async def after(self, fault: Fault, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Apply the rest of a fault, and return the response that remains to be sent.

        Raises:
            ConnectionError: the connection was reset.
        """
        if fault.drop == "after":
            _reset(request)
        if request.method == "HEAD":
            # Its response has no body to which a fault could be applied.
            return response
        if fault.cut:
            return await _cut(request, response)
        if fault.drip is not None:
            await self._drip(request, response, fault.drip)
        return response

    async def _drip(self, request: web.Request, response: web.Response, pause: float) -> Never:
        answer = web.StreamResponse(status=response.status, headers=response.headers)
        await answer.prepare(request)
        drops = itertools.chain(cast("bytes", response.body), itertools.repeat(_SPACE))
        while True:
            await answer.write(bytes([next(drops)]))
            await self._sleep(pause, request)

    async def _sleep(self, seconds: float | None, request: web.Request) -> None:
        await asyncio.wait([self._closing], timeout=seconds)
        if self._closing.done():
            _reset(request)


async def _cut(request: web.Request, response: web.Response) -> web.StreamResponse:
    body = cast("bytes", response.body)
    answer = web.StreamResponse(status=response.status, headers=response.headers)
    answer.content_length = len(body)
    await answer.prepare(request)
    await answer.write(body[: len(body) // 2])
    _transport(request).close()
    return answer


def _reset(request: web.Request) -> Never:
    transport = _transport(request)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    raise ConnectionResetError


def _stop_reading(request: web.Request) -> None:
    transport = _transport(request)
    # With a small buffer the system cannot receive a whole upload by itself.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    transport.pause_reading()


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError
    return request.transport
