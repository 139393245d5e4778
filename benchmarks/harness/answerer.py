"""The answerer: a process that reads whole requests and answers as WeChat would, and decodes no picture.

`python -m benchmarks.harness.answerer` reads its core and Options as JSON from the first line of stdin,
prints its ports as JSON, and ends with its stdin. It is a bare protocol, on uvloop where that is installed,
so that the measured process is the slower one. `GET /counts` on the plain port tells what it got.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec

from benchmarks.harness.runner import pin

TOKEN = "token-that-always-lives"
DATA = "https://example.com/parcel/1234567890"
"""What every picture says."""

_POS = {"left_top": {"x": 585, "y": 378}, "right_top": {"x": 828, "y": 378}}
_POS |= {"right_bottom": {"x": 828, "y": 618}, "left_bottom": {"x": 585, "y": 618}}
_SCAN = {
    "errcode": 0,
    "errmsg": "ok",
    "code_results": [{"type_name": "QR_CODE", "data": DATA, "pos": _POS}],
    "img_size": {"w": 1000, "h": 900},
}
_REFUSED = {"errcode": 42001, "errmsg": "access_token expired rid: 5f3e5f3e-00000000-00000000"}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_TOKEN = re.compile(rb"access_token=([\w-]+)")
_END = b"\r\n\r\n"
_BUFFER = 256 * 1024
_SMALL_BUFFER = 64 * 1024
_ROLLOVER = 300.0  # seconds before its end from which a stable token is replaced


@dataclass(frozen=True)
class Options:
    """How it answers.

    Attributes:
        delay: seconds before the answer to a picture.
        slow_every: every so many pictures one answer takes ten times as long; 0 for none.
        token_delay: seconds before the answer to a token request.
        token_life: seconds that a token lives; a stable one is replaced in its last 300 s or last half.
        token_fault: fail token requests: with HTTP status 503, or with an errcode; 0 for not at all.
        read_rate: bytes a second that are read from each connection; 0 for as many as come.
        certificate: a PEM file with key and chain, to answer over TLS on a second port.
    """

    delay: float = 0.0
    slow_every: int = 0
    token_delay: float = 0.0
    token_life: float = 7200.0
    token_fault: int = 0
    read_rate: int = 0
    certificate: str = ""


@dataclass
class Counts:
    """What it got so far.

    Attributes:
        calls: pictures that arrived whole.
        refused: of these, with a token that does not live.
        bytes: of their bodies.
        moments: of each token request, when it came and when its answer left, on the monotonic clock.
        tokens: how many different tokens were handed out.
    """

    calls: int = 0
    refused: int = 0
    bytes: int = 0
    moments: list[tuple[float, float]] = field(default_factory=list)
    tokens: int = 0


def _http(answer: object, status: str = "200 OK") -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json; encoding=utf-8\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Desk:
    """What the connections share: options, counts, tokens, answers."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.counts = Counts()
        self.buffer = memoryview(bytearray(_BUFFER))
        self._ends = {TOKEN: float("inf")}
        self._newest = ""
        self._scan, self._refusal = _http(_SCAN), _http(_REFUSED)

    def reply(self, head: bytes, size: int) -> tuple[float, bytes]:
        """Return the answer to a request, and after how many seconds it is to leave."""
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/cv/"):
            return self._picture(head, size)
        if path.startswith(b"/cgi-bin/"):
            return self._token(is_stable=b"stable_token" in path)
        if path == b"/counts":
            return 0.0, _http(asdict(self.counts))
        return 0.0, _http({}, "404 Not Found")

    def _picture(self, head: bytes, size: int) -> tuple[float, bytes]:
        counts, options = self.counts, self.options
        counts.calls += 1
        counts.bytes += size
        is_slow = options.slow_every and counts.calls % options.slow_every == options.slow_every // 2
        delay = options.delay * (10 if is_slow else 1)
        token = _TOKEN.search(head)
        if token is None or self._ends.get(token[1].decode(), 0.0) < time.monotonic():
            counts.refused += 1
            return delay, self._refusal
        return delay, self._scan

    def _token(self, *, is_stable: bool) -> tuple[float, bytes]:
        options, now = self.options, time.monotonic()
        self.counts.moments.append((now, now + options.token_delay))
        if options.token_fault == 503:  # noqa: PLR2004 - an HTTP status
            return options.token_delay, _http({}, "503 Service Unavailable")
        if options.token_fault:
            return options.token_delay, _http({"errcode": options.token_fault, "errmsg": "refused"})
        rollover = min(_ROLLOVER, options.token_life / 2)
        if not is_stable or self._ends.get(self._newest, 0.0) - now < rollover:
            self.counts.tokens += 1
            self._newest = f"token-{self.counts.tokens}"
            self._ends[self._newest] = now + options.token_life
        left = self._ends[self._newest] - now
        return options.token_delay, _http({"access_token": self._newest, "expires_in": left})


class Conversation(asyncio.BufferedProtocol):
    """One connection, one request at a time; all connections read into one buffer."""

    _transport: asyncio.Transport

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._head = b""
        self._size = self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # the one of a TCP server

    def get_buffer(self, _hint: int) -> memoryview:
        return self._desk.buffer

    def buffer_updated(self, count: int) -> None:
        if self._left:
            self._left -= count
        else:
            self._head += self._desk.buffer[:count]
            self._begin()
        rate = self._desk.options.read_rate
        if rate and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(count / rate, self._go_on)
        if self._head and not self._left and self._size >= 0:
            self._finish()

    def _begin(self) -> None:
        """Look how long the body is, once the head is whole; -1 while it is not."""
        end = self._head.find(_END)
        if end < 0:
            self._size = -1
            return
        length = _LENGTH.search(self._head, 0, end + 2)
        self._size = int(length[1]) if length else 0
        self._left = self._size - (len(self._head) - end - len(_END))
        self._head = self._head[:end]

    def _finish(self) -> None:
        delay, answer = self._desk.reply(self._head, self._size)
        self._head = b""
        if delay:
            asyncio.get_running_loop().call_later(delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _listening(options: Options) -> socket.socket:
    listener = socket.socket()
    if options.read_rate:  # else the system would read ahead
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def _serve(options: Options) -> None:
    loop, desk = asyncio.get_running_loop(), Desk(options)
    contexts: list[ssl.SSLContext | None] = [None]
    if options.certificate:
        contexts.append(_context(options.certificate))
    ports = []
    for context in contexts:
        listener = _listening(options)
        await loop.create_server(partial(Conversation, desk), sock=listener, ssl=context)
        ports.append(listener.getsockname()[1])
    print(json.dumps(dict(zip(("http", "https"), ports, strict=False))), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Answer until stdin ends."""
    task = json.loads(sys.stdin.readline())
    pin(task["core"])
    options = Options(**task["options"])
    factory = None
    if find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(options))


if __name__ == "__main__":
    main()
