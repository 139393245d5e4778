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


CODES = [{"type_name": "QR_CODE", "data": "known"}]


class Server:
    """Counts uploads and answers them; with errcode -2 it closes the connection instead.

    Args:
        errcode: the errcode of its answers.
        errmsg: the errmsg of its answers.
        is_held: whether it answers only after ``go`` has been set, rather than at once.
    """

    def __init__(self, errcode: int = 0, errmsg: str = "ok", *, is_held: bool = False) -> None:
        self.errcode, self.errmsg = errcode, errmsg
        self.calls = 0
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        if not is_held:
            self.go.set()

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer an upload."""
        await request.read()
        self.calls += 1
        self.arrived.release()
        await self.go.wait()
        if self.errcode == -2:
            assert request.transport is not None
            request.transport.abort()
        return answer(errcode=self.errcode, errmsg=self.errmsg, code_results=CODES, items=[])


def make_cached_session(url: str, **options: Any) -> wxcv.Session:
    """Make a session with a cache."""
    options.setdefault("answer_sources", [wxcv.AnswerCache()])
    return wxcv.Session(STATIC, base_url=url, retries=QUICK, **options)


async def wait_until(condition: Any) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def start_calls(count: int, session: wxcv.Session, image: object = BLANK) -> list[asyncio.Task[Any]]:
    """Start calls of an image, which all wait for the answer of the first one."""
    first = asyncio.create_task(session.scan_qrcode(image))  # type: ignore[arg-type] # an image
    await wait_until(lambda: session.stats().sends == 1)
    calls_before = session.stats().calls
    rest = [asyncio.create_task(session.scan_qrcode(image)) for _ in range(count - 1)]  # type: ignore[arg-type] # an image
    await wait_until(lambda: session.stats().calls == calls_before + count - 1)
    await wait_until(lambda: session.stats().running == 1)
    return [first, *rest]
