"""PendingReads: repeats a read of a call that was recorded while it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

ResultT = TypeVar("ResultT")


class PendingReads:
    """The reads of calls that are under way, so that none misses a call that is recorded meanwhile."""

    def __init__(self) -> None:
        self._readers: dict[Hashable, int] = {}
        self._saved: set[Hashable] = set()

    def notify_saved(self, key: Hashable) -> None:
        """Note that a call was recorded."""
        if key in self._readers:
            self._saved.add(key)

    async def read_again_if_saved(self, key: Hashable, read: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return what ``read`` returns, called again if the call was recorded while it ran."""
        self._readers[key] = self._readers.get(key, 0) + 1
        try:
            result = await read()
            return await read() if key in self._saved else result
        finally:
            self._readers[key] -= 1
            if not self._readers[key]:
                del self._readers[key]
                self._saved.discard(key)
