"""ActiveSends: the images of a journal that are being sent now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class ActiveSends:
    """The calls whose images are being sent or whose results are being recorded, by the key of the call."""

    def __init__(self) -> None:
        self._ends: dict[Hashable, asyncio.Future[None]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._ends

    def begin(self, key: Hashable) -> None:
        """Add a call."""
        self._ends[key] = asyncio.get_running_loop().create_future()

    def end(self, key: Hashable) -> None:
        """Remove a call, and wake what waits for its end."""
        end = self._ends.pop(key, None)  # None if another event loop has ended the same call
        if end is not None and not end.done():
            end.set_result(None)

    async def wait_for_end(self, key: Hashable) -> bool:
        """Wait for the end of a call; return False if there is none in this event loop."""
        end = self._ends.get(key)
        if end is None or end.get_loop() is not asyncio.get_running_loop():
            return False
        await asyncio.wait([end])
        return True

    async def wait_for_all(self, seconds: float) -> None:
        """Wait for the end of all calls of this event loop, but no longer than that."""
        loop = asyncio.get_running_loop()
        ends = [end for end in self._ends.values() if end.get_loop() is loop]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
