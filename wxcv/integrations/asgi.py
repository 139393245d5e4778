"""ASGI middleware that notices clients that leave: it receives ahead of the app, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from wxcv.integrations.requests import CancelledBlock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "wxcv.receiver"


class Receiver:
    """Receives the messages of one request for the app, and one ahead of it while a client is watched.

    Args:
        receive: the function that the server passes.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._lock = asyncio.Lock()
        self._held: Message | None = None  # was received ahead of the app
        self._disconnect: Message | None = None

    async def receive(self) -> Message:
        """Return the next message, as the server's function does."""
        async with self._lock:
            message, self._held = self._held, None
            return message or await self._receive_next()

    async def _receive_next(self) -> Message:
        if self._disconnect is not None:
            return self._disconnect
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._disconnect = message
        return message

    async def watch(self, call: Callable[[], None]) -> None:
        """Call a function when the client leaves; return without it if the body has more that is not read."""
        async with self._lock:
            while self._disconnect is None:
                if self._held is not None and self._held.get("more_body"):
                    return
                message = await self._receive_next()
                if self._disconnect is None:
                    self._held = message
        call()


class DisconnectMiddleware:
    """ASGI middleware for ``cancel_on_disconnect``. It changes nothing else.

    Args:
        app: the app.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app."""
        if scope["type"] == "http":
            receiver = Receiver(receive)
            scope[_KEY], receive = receiver, receiver.receive
        await self._app(scope, receive, send)


@asynccontextmanager
async def cancel_block(scope: Scope, make_error: Callable[[], Exception]) -> AsyncIterator[None]:
    """Cancel the block, which then raises another error, when the client of the request leaves.

    Raises:
        RuntimeError: the app is without the DisconnectMiddleware.
    """
    receiver: Receiver | None = scope.get(_KEY)
    if receiver is None:
        raise RuntimeError("this app cannot notice clients that leave: call install(app) when you make it")
    with CancelledBlock(make_error) as block:
        watching = asyncio.create_task(receiver.watch(block.cancel))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
