"""OutageDetector: how long a batch waits for a server that cannot be reached, and when it gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wxcv.errors import CallTimeoutError, StoreError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wxcv.calls.reports import CallResult
    from wxcv.clock import Clock

_SHORTEST_DELAY, _LONGEST_DELAY = 0.2, 5.0
_SHARE = 0.5  # a wait is this share of the outage so far: short outages end soon, long ones take few attempts


class OutageDetector:
    """Distinguishes failures of the network, and of a store, from failures of an image.

    Args:
        clock: the source of time.
        patience: seconds of an outage after which the batch gives up.
        seconds_until_refresh: returns the seconds until a token may be fetched again.
    """

    def __init__(self, clock: Clock, patience: float, seconds_until_refresh: Callable[[], float]) -> None:
        self._clock = clock
        self._patience = patience
        self._seconds_until_refresh = seconds_until_refresh
        self._began_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the outage has lasted for ``patience`` seconds, so that the batch gives up."""
        return self._began_at is not None and self.is_patience_over(self._began_at)

    def is_patience_over(self, began_at: float) -> bool:
        """Return whether ``patience`` seconds have passed since this monotonic time."""
        return self._remaining(began_at) <= 0

    def retry_delay(self, result: CallResult[Any]) -> float | None:
        """Return the seconds to wait before trying an image again, or None if its result is final."""
        report = result.report
        if report.sends > report.unanswered:
            self._began_at = None
        if not self._is_outage(result):
            return None
        now = self._clock.monotonic()
        self._began_at = now if self._began_at is None else self._began_at
        if report.is_waiting_for_token:
            delay = max(self._seconds_until_refresh(), 0.01)
        else:
            delay = max(_SHORTEST_DELAY, min(_SHARE * (now - self._began_at), _LONGEST_DELAY))
        return min(delay, max(self._remaining(self._began_at), 0.0))

    def _remaining(self, began_at: float) -> float:
        return began_at + self._patience - self._clock.monotonic()

    @staticmethod
    def _is_outage(result: CallResult[Any]) -> bool:
        error, report = result.error, result.report
        if error is None or report.unanswered:
            return False
        if report.is_waiting_for_token:
            return error.retryable
        # A call that used up its call_timeout, perhaps on a slow file, is not tried again.
        is_unreachable = isinstance(error, (TransportError, StoreError))
        return result.is_unsent and is_unreachable and not isinstance(error, CallTimeoutError)
