"""Quotas: how many calls an account may make, and how many it has made.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr (the free daily
calls and the market).
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

from wxcv.sandbox.checks import check_integer
from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.paths import COMM, CV_PATHS

_BEIJING = 8 * 3600
_DAY, _MINUTE, _MARKET = 45009, 45011, 101003
_UNLIMITED = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The calls allowed for one cv endpoint; None is no limit, and 0 is no calls at all.

    Args:
        per_day: calls a day; further ones get 45009.
        per_minute: calls a clock minute; further ones get 45011.
        market: calls bought for /cv/ocr/comm in all; further ones get 101003, and they are never refilled.

    Raises:
        ValueError: an argument is not an integer of 0 or more; the message names it.
    """

    per_day: int | None = None
    per_minute: int | None = None
    market: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                check_integer(field.name, value, least=0)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The calls to one cv endpoint that counted against its quota: today, in this minute, and in all."""

    day: int
    minute: int
    total: int


def quota_day(now: float, *, reset_hour: int) -> int:
    """Return the number of the quota's day, which begins at `reset_hour` in Beijing."""
    return int((now + _BEIJING - reset_hour * 3600) // 86_400)


@dataclass(slots=True)
class _Window:
    """The limit of a time window (a day or a minute), the number of the current window, and its calls."""

    limit: int | None
    stretch: int = 0
    calls: int = 0


class QuotaMeter:
    """Counts the calls to one endpoint, and refuses those above its quota."""

    def __init__(self, quota: Quota, *, clock: Callable[[], float], choices: Choices) -> None:
        self._clock = clock
        self._choices = choices
        self._windows = {
            _DAY: _Window(quota.per_day),
            _MINUTE: _Window(quota.per_minute),
            _MARKET: _Window(quota.market),
        }

    @property
    def usage(self) -> Usage:
        """The calls that count against the quota now."""
        windows = self._now()
        return Usage(day=windows[_DAY].calls, minute=windows[_MINUTE].calls, total=windows[_MARKET].calls)

    def describe(self) -> Fields:
        """Return what quota/get answers: the quota of the day, and the limit of the minute if there is one.

        A quota without a limit of its own for the day has one of 10,000,000 calls here.
        """
        day, minute = (self._now()[errcode] for errcode in (_DAY, _MINUTE))
        limit = _UNLIMITED if day.limit is None else day.limit
        quota = {"daily_limit": limit, "used": day.calls, "remain": max(0, limit - day.calls)}
        if minute.limit is None:
            return {"quota": quota}
        return {"quota": quota, "rate_limit": {"call_count": minute.limit, "refresh_second": 60}}

    @contextlib.contextmanager
    def count_call(self) -> Iterator[None]:
        """Count a call before it is made, so that simultaneous calls cannot exceed the quota.

        Raises:
            Refusal: 45009, 45011 or 101003; the call was not counted.
        """
        windows = self._now()
        for errcode, window in windows.items():
            if window.limit is not None and window.calls >= window.limit:
                raise Refusal(errcode)
        for window in windows.values():
            window.calls += 1
        stretch = windows[_DAY].stretch
        try:
            yield
        except Exception:
            if not self._choices.failed_call_spends:
                self._give_back(stretch)
            raise

    def _give_back(self, stretch: int) -> None:
        """Uncount a call, in its day if that is not over; its minute is unchanged."""
        windows = self._now()
        windows[_MARKET].calls -= 1
        if windows[_DAY].stretch == stretch:
            windows[_DAY].calls -= 1

    def _now(self) -> dict[int, _Window]:
        now = self._clock()
        day = quota_day(now, reset_hour=self._choices.quota_reset_hour)
        for errcode, stretch in ((_DAY, day), (_MINUTE, int(now // 60))):
            if self._windows[errcode].stretch != stretch:
                self._windows[errcode] = _Window(self._windows[errcode].limit, stretch)
        return self._windows


def make_meters(
    quota: Quota | Mapping[str, Quota], *, clock: Callable[[], float], choices: Choices
) -> dict[str, QuotaMeter]:
    """Return a meter for each cv endpoint, by path.

    Raises:
        TypeError, ValueError: the quota is unusable; the message says why.
    """
    if isinstance(quota, Quota):
        quota = {path: quota if path == COMM else replace(quota, market=None) for path in CV_PATHS}
    if not isinstance(quota, Mapping) or not all(isinstance(each, Quota) for each in quota.values()):
        raise TypeError("quota must be a Quota, or map paths to a Quota each")
    for path, each in quota.items():
        if path not in CV_PATHS:
            raise ValueError(f"quota must be for paths among {', '.join(CV_PATHS)}, not {path!r}")
        if each.market is not None and path != COMM:
            raise ValueError(f"quota must have a market for {COMM} only")
    return {path: QuotaMeter(quota.get(path, Quota()), clock=clock, choices=choices) for path in CV_PATHS}
