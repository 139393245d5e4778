"""A server whose answers a test holds back, and what else tests of long commands share."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from support.servers import answer

if TYPE_CHECKING:
    from aiohttp import web

CODES = [{"type_name": "QR_CODE", "data": "x"}]


def objects(out: bytes | str) -> list[dict[str, Any]]:
    """Return the objects of a JSON output."""
    return [json.loads(line) for line in out.splitlines()]


class Held:
    """Answers the first calls, and the others when it is let."""

    def __init__(self, first: int) -> None:
        self.left = first
        self.waiting = 0
        self.go = asyncio.Event()

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        await request.read()
        self.left -= 1
        if self.left < 0:
            self.waiting += 1
            await self.go.wait()
        return answer(errcode=0, code_results=CODES)

    async def until_waiting(self, count: int) -> None:
        """Return when so many calls wait for their answer."""
        while self.waiting < count:
            await asyncio.sleep(0.01)


def full_pipe() -> tuple[int, int]:
    """Return the ends of a pipe that takes no more; what is in it is white space."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b" " * 4096)
    os.set_blocking(writing, True)
    return reading, writing
