"""Whether and when to retry after a failure, without I/O."""

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
_MOST_DOUBLINGS = 64  # a float overflows at 1024
_QUOTA, _COST, _TIMEOUT_COST = 500.0, 5.0, 10.0


def _seconds(_policy: object, field: attrs.Attribute[float], value: object) -> None:
    checks.check_seconds(field.name, value)


def _whole(_policy: object, field: attrs.Attribute[int], value: object) -> None:
    checks.check_integer(field.name, value)


def _flag(_policy: object, field: attrs.Attribute[bool], value: object) -> None:
    checks.check_bool(field.name, value)


@attrs.frozen(kw_only=True, repr=False)
class RetryPolicy(Value):
    """How often and how soon a failed call is retried, always within its ``call_timeout``.

    A request that was not sent, or that WeChat answered with "busy" or a status of 500 or more, is retried
    until ``attempts`` attempts have been made. A request that was sent and got no response may have been
    counted, so it is retried once. With ``at_most_once`` such a request is never retried, nor is one that was
    answered with a status of 500 or more, as a gateway may send that after WeChat has counted the request.

    The wait before retry n (from 1) is random between 0 and ``min(cap, base * 2 ** (n - 1))`` seconds. A
    Retry-After of up to 60 s replaces it, plus up to 20 %; with a longer one the call is not retried. When
    many calls fail, a retry quota for the whole session stops retries early. A refused token and a throttling
    (45011, 9301011 or HTTP 429) use no attempt.

    Args:
        attempts: maximum attempts of one call, including the first; 1 to 10 ** 9.
        base: upper bound of the first wait in seconds; above 0.
        cap: upper bound of any wait in seconds; above 0.
        at_most_once: never send again what WeChat may already have counted. "Busy" is retried, as are a
            refused token and a throttling: WeChat then refused the request.

    Raises:
        ValueError, TypeError: an argument is out of range; the message names it.
    """

    attempts: int = attrs.field(default=3, validator=_whole)
    base: float = attrs.field(default=0.5, validator=_seconds)
    cap: float = attrs.field(default=8.0, validator=_seconds)
    at_most_once: bool = attrs.field(default=False, validator=_flag)

    def wait(self, error: WxcvError, attempts: int, unanswered: int) -> float | None:
        """Return the seconds to wait before the next attempt, or None for no further attempt; do not wait.

        Args:
            error: the error of the last attempt.
            attempts: how many attempts there were.
            unanswered: how many of them were sent and got no response.
        """
        if attempts >= self.attempts or not self._may_repeat(error, unanswered):
            return None
        retry_after = getattr(error, "retry_after", None)
        if retry_after is not None:
            return None if retry_after > _LONGEST_RETRY_AFTER else retry_after * random.uniform(1.0, 1.2)
        return random.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS)))

    def _may_repeat(self, error: WxcvError, unanswered: int) -> bool:
        if isinstance(error, (AnswerLostError, CallTimeoutError)):
            return unanswered <= 1 and not self.at_most_once
        if isinstance(error, ProtocolError):
            return error.retryable and not self.at_most_once
        return isinstance(error, (ConnectError, SystemBusyError))


class RetryQuota:
    """The retries that a session has left: failed retries use them up, successful calls refill them."""

    def __init__(self) -> None:
        self.left = _QUOTA

    def take(self, error: WxcvError) -> float:
        """Take the cost of a retry after this error and return it, or 0 if too little is left."""
        cost = _TIMEOUT_COST if isinstance(error, CallTimeoutError) else _COST
        if cost > self.left:
            return 0.0
        self.left -= cost
        return cost

    def record_success(self, taken: float) -> None:
        """Give back what the retries of a successful call took, or 1 for a call without retries."""
        self.left = min(_QUOTA, self.left + (taken or 1.0))
