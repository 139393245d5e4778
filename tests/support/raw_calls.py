"""Requests to a sandbox that are not WeChat's."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.sandbox_calls import Caller


async def fetch(
    caller: Caller, path: str, method: str = "POST", **options: object
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of whatever is answered."""
    url = caller.box.base_url + path
    async with caller.http.request(method, url, allow_redirects=False, **options) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def connected(
    caller: Caller, *, buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection, with a send buffer of so many bytes."""
    host, port = caller.box.base_url.removeprefix("http://").split(":")
    made = socket.socket()
    made.setblocking(False)  # noqa: FBT003 - its only argument
    if buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    return await asyncio.open_connection(sock=made)


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds: the sandbox has no event for it."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)
