"""Who uploads on an event loop: wxcv, and what a user would write instead.

Each opens as a context manager and gives a function that sends one picture and returns what its code says.
All hold at most `concurrency` calls at a time.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

import wxcv
from benchmarks.harness.answerer import DATA, TOKEN
from benchmarks.harness.core import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

    Send = Callable[[bytes], Awaitable[str]]

PATH = "/cv/img/qrcode"


def said(answer: Any) -> str:  # noqa: ANN401 - JSON
    """Return what the code says in a decoded answer."""
    text: str = answer["code_results"][0]["data"]
    return text


def session_of(base_url: str, concurrency: int) -> wxcv.Session:
    """Make a Session with its defaults, but for the address and the concurrency."""
    credential = wxcv.AppCredential("wx0000000000000000", "secret")
    return wxcv.Session(credential, base_url=base_url, concurrency=concurrency)


@asynccontextmanager
async def with_wxcv(base_url: str, concurrency: int) -> AsyncIterator[Send]:
    """wxcv's scan_qrcode."""
    async with session_of(base_url, concurrency) as session:

        async def send(data: bytes) -> str:
            scan = await session.scan_qrcode(data)
            return scan.code_results[0].data

        yield send


@asynccontextmanager
async def with_formdata(base_url: str, concurrency: int) -> AsyncIterator[Send]:
    """aiohttp with FormData, under a semaphore."""
    free = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(base_url) as http:

        async def send(data: bytes) -> str:
            form = aiohttp.FormData()
            form.add_field("img", data, filename="image.jpg", content_type="image/jpeg")
            async with free, http.post(PATH, params={"access_token": TOKEN}, data=form) as response:
                return said(json.loads(await response.read()))

        yield send


class _ThreeParts(aiohttp.Payload):
    """Head, picture and tail of a form, written one after another."""

    def __init__(self, data: bytes) -> None:
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="img"; filename="image.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        self.parts = (head.encode(), data, f"\r\n--{boundary}--\r\n".encode())
        super().__init__(data, content_type=f"multipart/form-data; boundary={boundary}")
        self._size = sum(map(len, self.parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self.parts).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self.parts:
            await writer.write(part)


@asynccontextmanager
async def with_payload(base_url: str, concurrency: int) -> AsyncIterator[Send]:
    """aiohttp with a payload of three parts, under a semaphore: the least that aiohttp costs."""
    free = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(base_url) as http:

        async def send(data: bytes) -> str:
            query = {"access_token": TOKEN}
            async with free, http.post(PATH, params=query, data=_ThreeParts(data)) as response:
                return said(json.loads(await response.read()))

        yield send


@asynccontextmanager
async def with_httpx(base_url: str, concurrency: int) -> AsyncIterator[Send]:
    """httpx's AsyncClient with its own limits; with a pool of just 64 it takes twice as long."""
    import httpx

    async with httpx.AsyncClient(base_url=base_url, timeout=300) as http:
        free = asyncio.Semaphore(concurrency)

        async def send(data: bytes) -> str:
            async with free:
                file = {"img": ("image.jpg", data, "image/jpeg")}
                response = await http.post(PATH, params={"access_token": TOKEN}, files=file)
                return said(response.json())

        yield send


@asynccontextmanager
async def with_streams(base_url: str, concurrency: int) -> AsyncIterator[Send]:
    """asyncio streams and nothing else, the limit of what Python can do: no errors, no pool, no timeouts."""
    parts = urlsplit(base_url)
    idle: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
    for _ in range(concurrency):
        idle.put_nowait(await asyncio.open_connection(parts.hostname, parts.port))

    async def send(data: bytes) -> str:
        form = _ThreeParts(data)
        head = (
            f"POST {PATH}?access_token={TOKEN} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {form.content_type}\r\nContent-Length: {form.size}\r\n\r\n"
        )
        reader, writer = await idle.get()
        writer.writelines((head.encode(), *form.parts))
        await writer.drain()
        length = int((await reader.readuntil(b"\r\n\r\n")).rpartition(b": ")[2])
        answer = await reader.readexactly(length)
        idle.put_nowait((reader, writer))
        return said(json.loads(answer))

    yield send
    while not idle.empty():
        idle.get_nowait()[1].close()


CLIENTS = {
    "wxcv": with_wxcv,
    "aiohttp FormData": with_formdata,
    "aiohttp payload": with_payload,
    "httpx": with_httpx,
    "asyncio streams": with_streams,
}


async def send_all(send: Send, data: bytes, calls: int) -> None:
    """Send a picture so many times, all at once, as a user's gather would; fail on a wrong answer."""
    answers = await asyncio.gather(*(send(data) for _ in range(calls)))
    require(is_true=answers == [DATA] * calls, otherwise="an answer says something else than the picture")
