"""How fast requests to an endpoint may follow one another after a throttling, without I/O."""

from __future__ import annotations

from wxcv.errors import RateLimitedError

_LONGEST_RETRY_AFTER = 60.0
_MINUTE = 60.0
_GROWTH = 1.05  # a minute
_SLOWEST = 10  # a minute
_PACED = 600.0  # seconds without a throttling after which an endpoint is no longer paced


class Pacer:
    """When the next request to an endpoint may go out, after WeChat has said "too many in this minute".

    Nothing goes out until the minute ends (or as Retry-After says); then as many a minute as got through in
    the last one (at least 10), and 5 % more with every minute, until ten minutes went well. ``now`` is
    monotonic time; ``wall`` tells the minute's end.
    """

    def __init__(self) -> None:
        self._minute = 0.0
        self._through = self._through_before = self._through_since = 0
        self._per_minute: float | None = None
        self._paced_from = self._next = 0.0
        self.error = RateLimitedError(45011, "too many calls")

    @property
    def is_pacing(self) -> bool:
        """Whether there was a throttling of late."""
        return self._per_minute is not None

    def reserve(self, now: float) -> float:
        """Return 0 and count a request that goes out now, or the seconds after which to ask again."""
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

    def succeeded(self, wall: float) -> None:
        """Count a request that was answered with anything but a throttling."""
        self._turn(wall)
        self._through += 1
        self._through_since += 1

    def throttled(self, error: RateLimitedError, sent_at: float, now: float, wall: float) -> None:
        """Slow down; refusals of what went out before the last one was noticed change nothing more."""
        self.error = error
        if self._per_minute is not None and sent_at < self._paced_from:
            return
        self._turn(wall)
        if self._per_minute is None or self._through_since:
            # Half of the minute before, because a refusal early in this one says little; and never slower
            # than a few a minute, as others may have used the minute up.
            self._per_minute = float(max(_SLOWEST, self._through, self._through_before // 2))
        rest = _MINUTE - wall % _MINUTE if error.retry_after is None else error.retry_after
        self._paced_from = self._next = now + min(rest, _LONGEST_RETRY_AFTER)
        self._through_since = 0

    def _turn(self, wall: float) -> None:
        minute = wall // _MINUTE
        if minute != self._minute:
            self._through_before = self._through if minute == self._minute + 1 else 0
            self._minute, self._through = minute, 0
