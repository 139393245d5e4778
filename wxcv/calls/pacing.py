"""Pacer: spreads the requests to an endpoint after a throttling, without I/O."""

from __future__ import annotations

import copy

from wxcv.errors import RateLimitedError

_LONGEST_RETRY_AFTER = 60.0
_MINUTE = 60.0
_GROWTH = 1.05  # factor of the rate, per minute
_SLOWEST = 10  # requests per minute
_PACED = 600.0  # seconds without a throttling after which pacing ends


class Pacer:
    """Decides when the next request to an endpoint may be sent, after WeChat has throttled one.

    Nothing is sent until the minute ends, or for as long as Retry-After says, at most 60 s. Then the rate is
    the largest of 10 requests a minute, the requests accepted in this minute, and half of those accepted in
    the previous minute. It grows by 5 % a minute; pacing ends after ten minutes without a throttling. ``now``
    is monotonic time; ``wall`` is Unix time, from which the end of the minute is computed.
    """

    def __init__(self) -> None:
        self._minute = 0.0
        self._through = self._through_before = self._through_since = 0
        self._per_minute: float | None = None
        self._paced_from = self._next = 0.0
        self.error = RateLimitedError(45011, "too many calls")

    @property
    def is_pacing(self) -> bool:
        """Whether requests are paced because of a recent throttling."""
        return self._per_minute is not None

    def reserve(self, now: float) -> float:
        """Return 0 for a request that is sent now, or the seconds to wait before calling again."""
        if self._per_minute is None:
            return 0.0
        if now < self._next:
            return self._next - now
        if now - self._paced_from > _PACED:
            self._per_minute = None
            return 0.0
        grown = self._per_minute * _GROWTH ** ((now - self._paced_from) / _MINUTE)
        self._next = now + _MINUTE / grown
        return 0.0

    def record_success(self, wall: float) -> None:
        """Count a request that was not throttled."""
        self._start_minute(wall)
        self._through += 1
        self._through_since += 1

    def record_throttling(self, error: RateLimitedError, sent_at: float, now: float, wall: float) -> None:
        """Slow down, unless the request was sent before the last throttling was noticed."""
        self.error = copy.copy(error)  # without the traceback, whose frames hold the token and the image
        if self._per_minute is not None and sent_at < self._paced_from:
            return
        self._start_minute(wall)
        if self._per_minute is None or self._through_since:
            # Half of the previous minute counts, as a throttling early in this one says little; and there is
            # a minimum, as other programs may have used this minute up.
            self._per_minute = float(max(_SLOWEST, self._through, self._through_before // 2))
        rest = _MINUTE - wall % _MINUTE if error.retry_after is None else error.retry_after
        self._paced_from = self._next = now + min(rest, _LONGEST_RETRY_AFTER)
        self._through_since = 0

    def _start_minute(self, wall: float) -> None:
        minute = wall // _MINUTE
        if minute != self._minute:
            self._through_before = self._through if minute == self._minute + 1 else 0
            self._minute, self._through = minute, 0
