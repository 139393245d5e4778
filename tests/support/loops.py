"""An event loop whose time a test need not wait for."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for a timer, sets the time to that of the timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_by_set_clock(work: Coroutine[object, object, T]) -> T:
    """Run work that only waits for timers, in an event loop whose clock begins at 0 and is never behind."""

    async def run() -> T:
        try:
            return await work
        finally:  # asyncio.run gives threads 300 s for it, which are over at once here
            await asyncio.get_running_loop().shutdown_default_executor()

    loop = _Loop()
    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()
