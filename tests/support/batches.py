"""What tests of batches share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from support.servers import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    import wxcv


class Server:
    """Answers every call at once, or when it is let; counts, and knows how many are under way."""

    def __init__(self) -> None:
        self.calls = 0
        self.now = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.errcode = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await request.read()
            self.calls += 1
            await self.open.wait()
            return answer(errcode=self.errcode, errmsg="scripted", code_results=[])
        finally:
            self.now -= 1


async def collect(batch: wxcv.Batch[Any, Any]) -> list[wxcv.Outcome[Any, Any]]:
    """Take all outcomes."""
    async with batch:
        return [outcome async for outcome in batch]


def statuses(outcomes: list[wxcv.Outcome[Any, Any]]) -> list[str]:
    """Return the statuses in the order of the images."""
    return [outcome.status for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


async def moved(clock: wxcv.ManualClock, done: Callable[[], bool], *, by: float = 0.5) -> None:
    """Move the clock on until that is so."""
    while not done():
        await asyncio.sleep(0.001)
        clock.advance(by)
