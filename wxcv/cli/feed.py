"""Feed: the images of a bulk run, from one batch to the next."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from wxcv.cli.names import Names


class Feed:
    """Yields the names of images to one batch after another.

    Args:
        names: the names.
        limit: how many images may be sent or get a new answer, or None. Those that the journal knows are not
            counted, nor those that wxcv refuses, which it would refuse in every run.

    Attributes:
        is_trying: whether one image at a time is yielded, to find out whether there is quota again.
    """

    def __init__(self, names: Names, limit: int | None = None) -> None:
        self.is_trying = False
        self._names = names
        self._limit = limit
        self._new = self._running = 0
        self._again: deque[str] = deque()
        self._for_next_batch: deque[str] = deque()
        self._changed = asyncio.Event()

    @property
    def is_limit_reached(self) -> bool:
        """Whether as many images as the limit allows were sent or got a new answer."""
        return self.left == 0

    @property
    def left(self) -> int | None:
        """How many more images the limit allows, or None without a limit."""
        return None if self._limit is None else max(self._limit - self._new, 0)

    async def take(self) -> AsyncGenerator[str, None]:
        """Yield the names for a batch; only one batch may run at a time."""
        self._running = 0
        self._again.extend(self._for_next_batch)
        self._for_next_batch.clear()
        while True:
            while not self._may_give() and not self.is_limit_reached:
                self._changed.clear()
                await self._changed.wait()
            if self.is_limit_reached:
                return
            name = self._again.popleft() if self._again else await self._names.take()
            if name is None:
                return
            self._running += 1
            yield name

    def _may_give(self) -> bool:
        if self.is_trying and self._running:
            return False
        return self._limit is None or self._new + self._running < self._limit

    def record(self, *, is_new: bool) -> None:
        """Record that an image has its final outcome, and whether it counts for the limit."""
        self._running -= 1
        self._new += is_new
        self._changed.set()

    def give_again(self, name: str) -> None:
        """Have the next batch get an image that has no final outcome."""
        self._running -= 1
        self._for_next_batch.append(name)
        self._changed.set()

    def end_trying(self) -> None:
        """Yield as many images as the batch takes, as there is quota."""
        self.is_trying = False
        self._changed.set()
