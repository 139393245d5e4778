"""LocalCounters: daily limits of one process, without a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wxcv.stores.base import PROBE_PAUSE, Taken, Usage

if TYPE_CHECKING:
    from wxcv.clock import Clock

_UTC_PLUS_8 = 8 * 3600
_DAY = 86_400


@attrs.define
class _Counter:
    resets_at: float
    count: int = 0
    is_day_spent: bool = False
    is_market_spent: bool = False
    probed_at: float = float("-inf")


class LocalCounters:
    """A CounterStore in memory, for one process.

    Args:
        clock: tells the day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[str, _Counter] = {}

    def _get_counter(self, key: str, reset_hour: int) -> _Counter:
        """Return the counter of the current day."""
        now = self._clock.wall()
        shift = _UTC_PLUS_8 - reset_hour * 3600
        resets_at = float(((now + shift) // _DAY + 1) * _DAY - shift)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = _Counter(resets_at)
        elif now >= counter.resets_at:
            counter.resets_at, counter.count, counter.is_day_spent = resets_at, 0, False
        return counter

    async def take(
        self, key: str, limit: int, *, reset_hour: int = 0, probe_every: float = PROBE_PAUSE
    ) -> Taken:
        """See ``CounterStore.take``."""
        counter, now = self._get_counter(key, reset_hour), self._clock.monotonic()
        if counter.is_day_spent:
            return Taken(None, counter.resets_at, "day")
        if counter.count >= limit:
            return Taken(None, counter.resets_at, "limit")
        if counter.is_market_spent:
            if now - counter.probed_at < probe_every:
                return Taken(None, counter.resets_at, "market")
            counter.probed_at = now
        counter.count += 1
        return Taken(counter.count, counter.resets_at, is_probe=counter.is_market_spent)

    async def give_back(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.give_back``."""
        counter = self._counters.get(key)
        if counter is not None and counter.resets_at == taken.resets_at:
            counter.count = max(0, counter.count - 1)
        if counter is not None and taken.is_probe:
            counter.probed_at = float("-inf")

    async def mark_day_spent(self, key: str, taken: Taken) -> None:
        """See ``CounterStore.mark_day_spent``."""
        counter = self._counters.get(key)
        if counter is not None and counter.resets_at == taken.resets_at:
            counter.is_day_spent = True

    async def mark_market_spent(self, key: str) -> None:
        """See ``CounterStore.mark_market_spent``."""
        counter = self._get_counter(key, 0)
        counter.is_market_spent, counter.probed_at = True, self._clock.monotonic()

    async def clear_marks(self, key: str) -> None:
        """See ``CounterStore.clear_marks``."""
        counter = self._counters.get(key)
        if counter is not None:
            counter.is_day_spent = counter.is_market_spent = False

    async def load_usage(self, key: str, *, reset_hour: int = 0) -> Usage:
        """See ``CounterStore.load_usage``."""
        counter = self._get_counter(key, reset_hour)
        return Usage(counter.count, counter.resets_at, counter.is_day_spent, counter.is_market_spent)
