"""Quota: how calls are taken from the limit of a day, wherever the count is kept.

scripts.py does the same in Redis. ``now`` is Unix time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from wxcv.clock import end_of_day
from wxcv.stores.base import Taken, Usage

QUOTA_LIFE = 7 * 86_400
"""Seconds after the last change for which what is counted is kept."""

_LONGEST_DAY = 2 * 86_400


class Quota(NamedTuple):
    """What is counted under a key, as a value.

    Attributes:
        number: the calls that were taken in the day and not given back.
        resets_at: when the day ends.
        is_spent: 1 if WeChat's quota of the day is marked as spent, else 0.
        probed_at: when the market quota was last tried, or marked as spent; None unless it is marked.
    """

    number: int = 0
    resets_at: float = 0.0
    is_spent: int = 0
    probed_at: float | None = None

    def take(self, now: float, limit: int, reset_hour: int, probe_every: float) -> tuple[Quota, Taken]:
        """Return what is counted afterwards, and what ``CounterStore.take`` returns."""
        quota = self.begin_day(now, end_of_day(now, reset_hour))
        refused_by = quota.refusal(now, limit, probe_every)
        if refused_by:
            return quota, Taken(None, quota.resets_at, refused_by)
        is_probe = quota.probed_at is not None
        quota = quota._replace(number=quota.number + 1, probed_at=now if is_probe else None)
        return quota, Taken(quota.number, quota.resets_at, is_probe=is_probe)

    def give_back(self, now: float, taken: Taken) -> Quota:
        """Return what is counted after ``CounterStore.give_back`` of a call that was not refused."""
        quota = self
        if now < quota.resets_at == taken.resets_at:
            quota = quota._replace(number=max(0, quota.number - 1))
        return quota.release_probe(taken)

    def release_probe(self, taken: Taken) -> Quota:
        """Return what is counted after ``CounterStore.release_probe``."""
        if taken.is_probe and self.probed_at is not None:
            return self._replace(probed_at=0.0)
        return self

    def mark_day_spent(self, now: float, resets_at: float) -> Quota:
        """Return what is counted after ``CounterStore.mark_day_spent``, for a day that has not ended."""
        return self.begin_day(now, resets_at)._replace(is_spent=1)

    def mark_market_spent(self, now: float) -> Quota:
        """Return what is counted after ``CounterStore.mark_market_spent``."""
        return self._replace(probed_at=now)

    def clear_marks(self) -> Quota:
        """Return what is counted after ``CounterStore.clear_marks``."""
        return self._replace(is_spent=0, probed_at=None)

    def usage(self, now: float, reset_hour: int) -> Usage:
        """Return what ``CounterStore.load_usage`` returns."""
        quota = self.begin_day(now, end_of_day(now, reset_hour))
        is_day_spent, is_market_spent = bool(quota.is_spent), quota.probed_at is not None
        return Usage(
            quota.number, quota.resets_at, is_day_spent=is_day_spent, is_market_spent=is_market_spent
        )

    def begin_day(self, now: float, ends_at: float) -> Quota:
        """Return it for the current day. One that ends in more than two days was begun by a wrong clock."""
        if now < self.resets_at <= now + _LONGEST_DAY:
            return self
        return Quota(resets_at=ends_at, probed_at=self.probed_at)

    def refusal(self, now: float, limit: int, probe_every: float) -> Literal["day", "limit", "market"] | None:
        """Return why no call may be taken, or None."""
        if self.is_spent:
            return "day"
        if self.number >= limit:
            return "limit"
        if self.probed_at is not None and abs(now - self.probed_at) < probe_every:
            return "market"
        return None
