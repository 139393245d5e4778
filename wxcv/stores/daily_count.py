"""DailyCount: how sends are taken from the limit of a day, wherever the count is kept.

scripts.py does the same in Redis. ``now`` is Unix time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from wxcv.clock import end_of_day
from wxcv.stores.base import Taken, Usage

COUNT_LIFE = 7 * 86_400
"""Seconds for which a count is kept after its last change."""

_LONGEST_DAY = 2 * 86_400


class DailyCount(NamedTuple):
    """The count and the marks under a key, as a value.

    Attributes:
        number: the sends that were taken in the day and not given back.
        resets_at: when the day ends.
        is_spent: 1 if WeChat's quota of the day is marked as used up, else 0.
        probed_at: when the market quota was last tried, or marked as used up; None unless it is marked.
    """

    number: int = 0
    resets_at: float = 0.0
    is_spent: int = 0
    probed_at: float | None = None

    def take(self, now: float, limit: int, reset_hour: int, probe_every: float) -> tuple[DailyCount, Taken]:
        """Return the new count, and what ``CounterStore.take`` returns."""
        count = self.begin_day(now, end_of_day(now, reset_hour))
        refused_by = count.refusal(now, limit, probe_every)
        if refused_by:
            return count, Taken(None, count.resets_at, refused_by)
        is_probe = count.probed_at is not None
        count = count._replace(number=count.number + 1, probed_at=now if is_probe else None)
        return count, Taken(count.number, count.resets_at, is_probe=is_probe)

    def give_back(self, now: float, taken: Taken) -> DailyCount:
        """Return the count after ``CounterStore.give_back`` of a send that was taken."""
        count = self
        if now < count.resets_at == taken.resets_at:
            count = count._replace(number=max(0, count.number - 1))
        return count.release_probe(taken)

    def release_probe(self, taken: Taken) -> DailyCount:
        """Return the count after ``CounterStore.release_probe``."""
        if taken.is_probe and self.probed_at is not None:
            return self._replace(probed_at=0.0)
        return self

    def mark_day_spent(self, now: float, resets_at: float) -> DailyCount:
        """Return the count after ``CounterStore.mark_day_spent``, for a day that has not ended."""
        return self.begin_day(now, resets_at)._replace(is_spent=1)

    def mark_market_spent(self, now: float) -> DailyCount:
        """Return the count after ``CounterStore.mark_market_spent``."""
        return self._replace(probed_at=now)

    def clear_marks(self) -> DailyCount:
        """Return the count after ``CounterStore.clear_marks``."""
        return self._replace(is_spent=0, probed_at=None)

    def usage(self, now: float, reset_hour: int) -> Usage:
        """Return what ``CounterStore.load_usage`` returns."""
        count = self.begin_day(now, end_of_day(now, reset_hour))
        is_day_spent, is_market_spent = bool(count.is_spent), count.probed_at is not None
        return Usage(
            count.number, count.resets_at, is_day_spent=is_day_spent, is_market_spent=is_market_spent
        )

    def begin_day(self, now: float, ends_at: float) -> DailyCount:
        """Return the count of the current day; one that ends in over two days was begun by a wrong clock."""
        if now < self.resets_at <= now + _LONGEST_DAY:
            return self
        return DailyCount(resets_at=ends_at, probed_at=self.probed_at)

    def refusal(self, now: float, limit: int, probe_every: float) -> Literal["day", "limit", "market"] | None:
        """Return why no send may be taken, or None."""
        if self.is_spent:
            return "day"
        if self.number >= limit:
            return "limit"
        if self.probed_at is not None and abs(now - self.probed_at) < probe_every:
            return "market"
        return None
