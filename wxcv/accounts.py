"""What a TokenCache knows of an account besides its current token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.callbacks import CallbackError
from wxcv.errors import SessionClosedError, TokenRejectedError, TokenSourceError, WxcvError
from wxcv.stores import FORCED_PAUSE

if TYPE_CHECKING:
    import asyncio

    from wxcv.errands import Send
    from wxcv.renewal import CachedToken

    Waiter = asyncio.Future[CachedToken | WxcvError]

_LONGEST_BACKOFF = 60.0
_SHORTEST_BACKOFF = 5.0


def outcome(task: asyncio.Task[CachedToken | WxcvError]) -> CachedToken | WxcvError:
    """Return how the task of a refresh ended, whatever ended it."""
    if task.cancelled():
        return SessionClosedError("the session was closed before a token came")
    fault = task.exception()  # of a caller's function, and no Exception
    return task.result() if fault is None else broken(fault)


def broken(fault: BaseException) -> TokenSourceError:
    """Make the error for what a caller's own credential, store, clock or function raised past wxcv."""
    failure = CallbackError(fault)
    return TokenSourceError(
        f"the token refresh raised {failure}", reason=failure.reason, location=failure.location
    )


class AccountState:
    """What is known of an account besides its living token."""

    def __init__(self, refused: tuple[str, WxcvError] | None = None) -> None:
        self.task: asyncio.Task[CachedToken | WxcvError] | None = None
        self.send: Send | None = None
        self.waiters: list[Waiter] = []
        self.refused = refused
        self.refresh_started_at = self.backoff_until = self.replaced_at = float("-inf")
        self.failure: WxcvError | None = None
        self.failures = 0

    def failed(self, error: WxcvError, now: float) -> None:
        """Note a failure, and until when nobody asks again: longer each time if it may pass by itself."""
        self.failure, self.failures = error, self.failures + 1
        if isinstance(error, TokenRejectedError):
            backoff = float(FORCED_PAUSE)
        elif error.retryable:
            asked = getattr(error, "retry_after", None) or 0.0
            backoff = min(_LONGEST_BACKOFF, max(asked, _SHORTEST_BACKOFF * 2.0 ** min(self.failures - 1, 10)))
        else:
            backoff = _LONGEST_BACKOFF
        self.backoff_until = now + backoff

    def succeeded(self) -> None:
        """Forget all failures."""
        self.failure, self.failures, self.backoff_until = None, 0, float("-inf")
        self.refused = None
