"""QuotaWait: when a bulk run tries again after a quota was used up."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wxcv

TRIAL_PAUSE = 900.0
"""Seconds between two trials when it is not known when there is quota again."""

_MARGIN = 2.0  # seconds by which WeChat's clock may be behind
_LONGEST_SLEEP = (
    60.0  # so that setting the clock, or suspending the computer, delays the run no longer than this
)


class QuotaWait:
    """Waits until there may be quota again.

    The first wait lasts until the quota resets, if its error tells when. When that is not known, and when
    there was no quota after all, the wait lasts 15 minutes.

    Args:
        clock: the source of time; None uses the system's clocks.
    """

    def __init__(self, clock: wxcv.Clock | None = None) -> None:
        self._wall = time.time if clock is None else clock.wall
        self._sleep = asyncio.sleep if clock is None else clock.sleep
        self._has_waited = False

    def succeeded(self) -> None:
        """Record that there is quota again."""
        self._has_waited = False

    def find_end(self, error: wxcv.WxcvError) -> datetime:
        """Return when to try again after this error, in UTC."""
        now = self._wall()
        resets_at: datetime | None = getattr(error, "resets_at", None)
        if resets_at is None or self._has_waited:
            return datetime.fromtimestamp(now + TRIAL_PAUSE, UTC)
        return datetime.fromtimestamp(max(resets_at.timestamp() + _MARGIN, now), UTC)

    async def wait(self, end: datetime) -> None:
        """Return at that time."""
        self._has_waited = True
        while (left := end.timestamp() - self._wall()) > 0:
            await self._sleep(min(left, _LONGEST_SLEEP))
