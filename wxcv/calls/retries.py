"""What to do after a failure, without I/O: try again and when, or not."""

from __future__ import annotations

import random

import attrs

from wxcv import checks
from wxcv.errors import (
    AnswerLostError,
    CallTimeoutError,
    ConnectError,
    ProtocolError,
    SystemBusyError,
    WxcvError,
)
from wxcv.values import Value

_LONGEST_RETRY_AFTER = 60.0
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
    more, or never with ``at_most_once``. Waits are random between 0 and ``base * 2 ** n``, at most ``cap``
    seconds; a Retry-After of up to 60 s goes before. When many calls fail, a quota of retries for the whole
    session ends the trying early. A refused token, and a throttling (45011 or HTTP 429), use no attempt.

    Args:
        attempts: in all, 1 or more.
        base: seconds.
        cap: seconds.
        at_most_once: never send twice what WeChat may have counted already.
    """

    attempts: int = attrs.field(default=3, validator=_whole)
    base: float = attrs.field(default=0.5, validator=_seconds)
    cap: float = attrs.field(default=8.0, validator=_seconds)
    at_most_once: bool = attrs.field(default=False, validator=_flag)

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
            return unanswered <= 1 and not self.at_most_once
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
