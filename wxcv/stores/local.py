"""LocalCounters: daily limits of one process, without a store."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from wxcv.stores.base import PROBE_PAUSE
from wxcv.stores.daily_count import COUNT_LIFE, DailyCount

if TYPE_CHECKING:
    from wxcv.clock import Clock
    from wxcv.stores.base import Taken, Usage


class LocalCounters:
    """A CounterStore in memory, for one process.

    Args:
        clock: the source of the time of day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[DailyCount, float]] = {}  # with the Unix time of the last change
        self._given_back: dict[str, float] = {}  # when the day ends, by the id of what was taken

    def _load(self, key: str, now: float) -> DailyCount:
        count, changed_at = self._counts.get(key, (DailyCount(), now))
        return count if changed_at > now - COUNT_LIFE else DailyCount()

    def _keep(self, key: str, now: float, count: DailyCount) -> None:
        self._counts[key] = count, now

    async def take(
        self, key: str, limit: int, *, reset_hour: int = 0, probe_every: float = PROBE_PAUSE
    ) -> Taken:
        """See ``CounterStore.take``."""
        now = self._clock.wall()
        count, taken = self._load(key, now).take(now, limit, reset_hour, probe_every)
        if taken.refused_by is None:
            self._keep(key, now, count)
        return taken

    async def give_back(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.give_back``."""
        now, ends = self._clock.wall(), self._given_back
        for ended in list(takewhile(lambda one: ends[one] <= now, ends)):
            del ends[ended]
        if taken.number is not None and taken.id not in ends:
            ends[taken.id] = taken.resets_at
            self._keep(key, now, self._load(key, now).give_back(now, taken))

    async def mark_day_spent(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.mark_day_spent``."""
        now = self._clock.wall()
        if now < taken.resets_at:
            self._keep(key, now, self._load(key, now).mark_day_spent(now, taken.resets_at))

    async def mark_market_spent(self, key: str) -> None:
        """See ``CounterStore.mark_market_spent``."""
        now = self._clock.wall()
        self._keep(key, now, self._load(key, now).mark_market_spent(now))

    async def release_probe(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.release_probe``."""
        now = self._clock.wall()
        if taken.is_probe:
            self._keep(key, now, self._load(key, now).release_probe(taken))

    async def clear_marks(self, key: str) -> None:
        """See ``CounterStore.clear_marks``."""
        now = self._clock.wall()
        self._keep(key, now, self._load(key, now).clear_marks())

    async def load_usage(self, key: str, *, reset_hour: int = 0) -> Usage:
        """See ``CounterStore.load_usage``."""
        now = self._clock.wall()
        return self._load(key, now).usage(now, reset_hour)
