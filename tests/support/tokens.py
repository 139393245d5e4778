"""A token endpoint in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from wxcv.protocol.answers import Response

if TYPE_CHECKING:
    import wxcv
    from wxcv.protocol.requests import Request


class Endpoint:
    """A token endpoint in memory: counts, answers T1, T2, ... and can be held, or told to fail."""

    def __init__(self, life: float = 7200) -> None:
        self.tokens_issued = 0
        self.forced = 0
        self.life = life
        self.sticky = False
        self.open = asyncio.Event()
        self.open.set()
        self.error: wxcv.WxcvError | None = None

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        await self.open.wait()
        self.tokens_issued += 1
        assert request.body is not None
        forced = json.loads(request.body.parts[0])["force_refresh"]
        self.forced += forced
        if self.error:
            raise self.error
        number = 1 + self.forced if self.sticky else self.tokens_issued
        return Response(200, {}, json.dumps({"access_token": f"T{number}", "expires_in": self.life}).encode())


async def turn(times: int = 5) -> None:
    """Let all tasks that can run do so."""
    for _ in range(times):
        await asyncio.sleep(0)
