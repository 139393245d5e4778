"""QuotaLeft: what is left of an endpoint's quota while a bulk run sends images."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

import wxcv

if TYPE_CHECKING:
    from datetime import tzinfo

_UTC_PLUS_8: tzinfo = timezone(timedelta(hours=8))
_PAUSE = 1.0  # seconds between two looks at the store


class QuotaLeft:
    """What is left of an endpoint's quota.

    With a daily limit it is what the limit leaves; otherwise WeChat is asked once, which may not tell.

    Args:
        session: makes the calls.
        endpoint: the endpoint.
        limit: the daily limit, or None.
    """

    def __init__(self, session: wxcv.Session, endpoint: wxcv.Endpoint[Any], limit: int | None) -> None:
        self._session = session
        self._endpoint = endpoint
        self._limit = limit
        self._left: int | None = None  # before the sends of this session, if WeChat told it
        self._resets_at: datetime | None = None

    async def watch(self) -> None:
        """Find it out; with a daily limit, keep it up to date until this is cancelled."""
        while True:
            await self._find()
            if self._limit is None:
                return
            await asyncio.sleep(_PAUSE)

    async def finish(self) -> None:
        """With a daily limit, look once more, after the last send."""
        if self._limit is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._find()

    async def _find(self) -> None:
        try:
            await (self._ask() if self._limit is None else self._count(self._limit))
        except wxcv.WxcvError:
            self._left = None  # calls will tell what is wrong

    async def _ask(self) -> None:
        before = self._count_sends()
        self._left = before + (await self._session.quota(self._endpoint)).remain
        today = datetime.now(_UTC_PLUS_8).date()
        # WeChat does not document when; taken to be midnight in UTC+8.
        self._resets_at = datetime.combine(today + timedelta(days=1), time(), _UTC_PLUS_8)

    async def _count(self, limit: int) -> None:
        usage = await self._session.usage(self._endpoint)
        is_spent = usage.is_day_spent or usage.is_market_spent
        self._left = 0 if is_spent else limit - usage.count
        self._resets_at = datetime.fromtimestamp(usage.resets_at, _UTC_PLUS_8)

    def _count_sends(self) -> int:
        return self._session.stats().sends_by_endpoint.get(self._endpoint.path, 0)

    @property
    def left(self) -> int | None:
        """How many sends are left, or None if that is not known."""
        if self._left is None:
            return None
        return max(self._left - (self._count_sends() if self._limit is None else 0), 0)

    def __str__(self) -> str:
        if self.left is None or self._resets_at is None:
            return ""
        return f"quota left {self.left:,}, resets {format_time(self._resets_at)}"


def format_time(when: datetime) -> str:
    """Return a time as people in China read it, such as "2026-11-23 00:00+08:00"."""
    return when.astimezone(_UTC_PLUS_8).isoformat(sep=" ", timespec="minutes")
