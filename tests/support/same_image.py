"""Calls of one image at the same time, and a server that counts them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import wxcv
from support.accounts import QUICK, STATIC
from support.pictures import BLANK
from support.servers import answer

if TYPE_CHECKING:
    from aiohttp import web


class Server:
    """Answers every upload when it may, and counts them.

    Args:
        errcode: of its answers.
        is_open: whether it answers at once.
    """

    def __init__(self, errcode: int = 0, *, is_open: bool = False) -> None:
        self.errcode = errcode
        self.calls = 0
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        if is_open:
            self.go.set()

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call."""
        await request.read()
        self.calls += 1
        self.arrived.release()
        await self.go.wait()
        if self.errcode == -2:
            assert request.transport is not None
            request.transport.abort()
        return answer(errcode=self.errcode, errmsg="said", code_results=[], items=[])


def cached(url: str, **options: Any) -> wxcv.Session:
    """Make a session with a cache."""
    options.setdefault("answer_sources", [wxcv.AnswerCache()])
    return wxcv.Session(STATIC, base_url=url, retries=QUICK, **options)


async def until(condition: Any) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def started(count: int, session: wxcv.Session, image: object = BLANK) -> list[asyncio.Task[Any]]:
    """Start calls of an image, which all wait for the first one's answer."""
    first = asyncio.create_task(session.scan_qrcode(image))  # type: ignore[arg-type] # an image
    await until(lambda: session.stats().sends == 1)
    calls_before = session.stats().calls
    rest = [asyncio.create_task(session.scan_qrcode(image)) for _ in range(count - 1)]  # type: ignore[arg-type] # an image
    await until(lambda: session.stats().calls == calls_before + count - 1)
    await until(lambda: session.stats().running == 1)
    return [first, *rest]
