"""What an app receives behind the middleware."""

from __future__ import annotations

import asyncio
from typing import Any

from wxcv.integrations.asgi import DisconnectMiddleware, Receiver

CHUNK = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"y", "more_body": False}
DISCONNECT = {"type": "http.disconnect"}


def receiver_of(*messages: dict[str, Any]) -> Receiver:
    """Make a receiver of a server that says each message once."""
    rest = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(rest)

    return Receiver(receive)


async def test_an_app_receives_everything_that_was_watched() -> None:
    """What is received ahead of the app reaches it once and in order; the end is said again and again."""
    called: list[str] = []
    receiver = receiver_of(CHUNK, LAST, DISCONNECT)
    await receiver.watch(lambda: called.append("too early"))

    assert [await receiver.receive(), await receiver.receive()] == [CHUNK, LAST]
    await receiver.watch(lambda: called.append("left"))
    await receiver.watch(lambda: called.append("still away"))
    assert [await receiver.receive(), await receiver.receive()] == [DISCONNECT, DISCONNECT]
    assert called == ["left", "still away"]


async def test_a_last_message_is_kept_for_the_app() -> None:
    """Behind the last message of a body the end is seen, and the app still gets the body."""
    called: list[str] = []
    receiver = receiver_of(LAST, DISCONNECT)
    await receiver.watch(lambda: called.append("left"))

    assert [await receiver.receive(), await receiver.receive()] == [LAST, DISCONNECT]
    assert called == ["left"]


async def test_a_watcher_that_ends_lets_the_app_receive() -> None:
    """A message that comes after a watcher was cancelled goes to the app, which may have waited before."""
    arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    receiver = Receiver(arrived.get)
    watching = asyncio.create_task(receiver.watch(lambda: None))
    receiving = asyncio.create_task(receiver.receive())
    await asyncio.sleep(0)
    watching.cancel()
    arrived.put_nowait(LAST)

    assert await receiving == LAST
    assert watching.cancelled()


async def test_what_is_no_request_is_passed_on() -> None:
    """The middleware leaves lifespans and web sockets as they are."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((dict(scope), receive, send))

    async def channel(*_: Any) -> Any: ...

    await DisconnectMiddleware(app)({"type": "lifespan"}, channel, channel)

    assert seen == [({"type": "lifespan"}, channel, channel)]
