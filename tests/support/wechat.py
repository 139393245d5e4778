"""WeChat's token endpoints in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wxcv.protocol.answers import Response
    from wxcv.protocol.requests import Request


class WeChat:
    """Token endpoints in memory: every classic answer is new, every stable one the same."""

    def __init__(self) -> None:
        self.tokens_issued = 0

    async def send(self, request: Request) -> Response:
        """Answer a token request."""
        from wxcv.protocol.answers import Response

        self.tokens_issued += 1
        value = f"T{self.tokens_issued}" if request.method == "GET" else "S1"
        return Response(200, {}, f'{{"access_token":"{value}","expires_in":7200}}'.encode())
