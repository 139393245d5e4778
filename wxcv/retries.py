"""What to do after a failure, without I/O: try again and when, or not; and how fast after a throttling."""

from __future__ import annotations

import random

import attrs

from wxcv import checks
from wxcv.errors import (
    AnswerLostError,
    CallTimeoutError,
    ConnectError,
    ProtocolError,
    RateLimitedError,
    SystemBusyError,
    WxcvError,
)
from wxcv.values import Value

_LONGEST_RETRY_AFTER = 60.0
_MINUTE = 60.0
_GROWTH = 1.05  # a minute
_SLOWEST = 10  # a minute
_PACED = 600.0  # seconds without a throttling after which an endpoint is no longer paced
_QUOTA, _COST, _TIMEOUT_COST = 500.0, 5.0, 10.0


def _seconds(_policy: object, field: attrs.Attribute[float], value: object) -> None:
    checks.seconds(field.name, value)


def _whole(_policy: object, field: attrs.Attribute[int], value: object) -> None:
    checks.whole(field.name, value)


def _flag(_policy: object, field: attrs.Attribute[bool], value: object) -> None:
    checks.flag(field.name, value)


@attrs.frozen(kw_only=True, repr=False)
class RetryPolicy(Value):
    """How often and how soon a call is tried again; every wait ends before the call's ``call_timeout``.

    What surely was not sent, and what WeChat answered with "busy" or a status of 500 or more, is tried again
    up to ``attempts`` times in all. What was sent and had no answer may have been counted: it is tried once
    more, or never with ``strict_quota``. Waits are random between 0 and ``base * 2 ** n``, at most ``cap``
    seconds; a Retry-After of up to 60 s goes before. When many calls fail, a quota of retries for the whole
    session ends the trying early. A refused token, and a throttling (45011 or HTTP 429), use no attempt.

    Args:
        attempts: in all, 1 or more.
        base: seconds.
        cap: seconds.
        strict_quota: never send twice what WeChat may have counted already.
    """

    attempts: int = attrs.field(default=3, validator=_whole)
    base: float = attrs.field(default=0.5, validator=_seconds)
    cap: float = attrs.field(default=8.0, validator=_seconds)
    strict_quota: bool = attrs.field(default=False, validator=_flag)

    def wait(self, error: WxcvError, attempts: int, unanswered: int) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is to be none.

        Args:
            error: how the last attempt ended.
            attempts: how many there were.
            unanswered: how many of them were sent and had no answer.
        """
        if attempts >= self.attempts or not self._may_repeat(error, unanswered):
            return None
        retry_after = getattr(error, "retry_after", None)
        if retry_after is not None:
            return None if retry_after > _LONGEST_RETRY_AFTER else retry_after * random.uniform(1.0, 1.2)
        return random.uniform(0.0, min(self.cap, self.base * 2.0 ** (attempts - 1)))

    def _may_repeat(self, error: WxcvError, unanswered: int) -> bool:
        if isinstance(error, (AnswerLostError, CallTimeoutError)):
            return unanswered <= 1 and not self.strict_quota
        if isinstance(error, ProtocolError):
            return error.retryable
        return isinstance(error, (ConnectError, SystemBusyError))


class RetryQuota:
    """How many retries a session has left: failing ones use it up, successes refill it."""

    def __init__(self) -> None:
        self.left = _QUOTA

    def take(self, error: WxcvError) -> float:
        """Take what a retry after this error costs; return it, or 0 if there is not so much left."""
        cost = _TIMEOUT_COST if isinstance(error, CallTimeoutError) else _COST
        if cost > self.left:
            return 0.0
        self.left -= cost
        return cost

    def succeeded(self, taken: float) -> None:
        """Give back what a call's retries took, or a little for a call that needed none."""
        self.left = min(_QUOTA, self.left + (taken or 1.0))


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
