"""A process of its own with peers that hang up, for leak_worker.py; it ends with its standard input.

Prints a JSON object: for each kind of request and each way to hang up, the port where that happens.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    End = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

RESET = struct.pack("ii", 1, 0)
ANSWER = json.dumps(
    {
        "access_token": "MARKED-TOKEN",
        "expires_in": 7200,
        "component_access_token": "MARKED-TOKEN",
        "authorizer_access_token": "MARKED-TOKEN",
        "authorizer_refresh_token": "MARKED-REFRESH",
    }
).encode()
PATHS = {
    "stable": b"/cgi-bin/stable_token",
    "classic": b"/cgi-bin/token",
    "component": b"/cgi-bin/component/api_component_token",
    "authorizer": b"/cgi-bin/component/api_authorizer_token",
    "upload": b"/cv/img/qrcode",
    "url": b"/cv/img/qrcode",
    "nothing": b"/nothing",
}


def end_after(count: int) -> End:
    """Return a peer that closes after so many bytes of a request."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(count)

    return serve


async def close(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept and close."""


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def close_after_head(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close when the head was read."""
    await reader.readuntil(b"\r\n\r\n")


async def reset_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset when the head was read."""
    await reader.readuntil(b"\r\n\r\n")
    await reset(reader, writer)


ENDS: dict[str, End] = {
    "close": close,
    "reset": reset,
    "close after head": close_after_head,
    "reset after head": reset_after_head,
}
# Every request has more bytes than the last of these in its head, and an upload more than 50,000 in all.
ENDS.update({f"close after {count}": end_after(count) for count in range(1, 121, 3)})
LATE_ENDS = {f"close after {count}": end_after(count) for count in range(500, 50_001, 4950)}


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bad_path: bytes, end: End
) -> None:
    """Answer with tokens, and hang up on requests for the bad path."""
    while True:
        line = await reader.readline()
        if not line or bad_path in line:
            break
        rest = await reader.readuntil(b"\r\n\r\n")
        size = [row for row in rest.lower().split(b"\r\n") if row.startswith(b"content-length:")]
        await reader.readexactly(int(size[0].split(b":")[1]) if size else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
        await writer.drain()
    await end(reader, writer)


async def listen(bad_path: bytes, end: End) -> int:
    """Serve on a free port, and return it."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer, bad_path, end)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


def hang_up_at_once(*, is_reset: bool) -> int:
    """Close every connection before its peer can write; an event loop is too slow for that."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            connection, _ = listening.accept()
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


async def main() -> None:
    """Listen until standard input ends."""
    ports: dict[str, dict[str, int]] = {
        kind: {
            name: await listen(path, end)
            for name, end in (ENDS | LATE_ENDS if kind == "upload" else ENDS).items()
        }
        for kind, path in PATHS.items()
    }
    ports["at once"] = {name: hang_up_at_once(is_reset=name == "reset") for name in ("close", "reset")}
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
