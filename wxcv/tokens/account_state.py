"""AccountState: what a TokenManager keeps for an account besides its token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.callbacks import CallbackError
from wxcv.errors import SessionClosedError, TokenRejectedError, TokenSourceError, WxcvError
from wxcv.stores.base import FORCED_PAUSE

if TYPE_CHECKING:
    import asyncio

    from wxcv.tokens.refresh import CachedToken
    from wxcv.tokens.runner import Send

    Waiter = asyncio.Future[CachedToken | WxcvError]

_LONGEST_BACKOFF = 60.0
_SHORTEST_BACKOFF = 5.0


def get_result(task: asyncio.Task[CachedToken | WxcvError]) -> CachedToken | WxcvError:
    """Return how the task of a refresh ended, whatever ended it."""
    if task.cancelled():
        return SessionClosedError("the session was closed before a token came")
    fault = task.exception()  # of a caller's function, and no Exception
    return task.result() if fault is None else token_source_error(fault)


def token_source_error(fault: BaseException) -> TokenSourceError:
    """Make the error for what a caller's own credential, store, clock or function raised past wxcv."""
    failure = CallbackError(fault)
    return TokenSourceError(
        f"the token refresh raised {failure}", reason=failure.reason, location=failure.location
    )


class AccountState:
    """What a TokenManager keeps for an account besides its token.

    Attributes:
        task: the running refresh, or None.
        send: the function through which that refresh reaches WeChat.
        waiters: the futures of the callers that wait for it.
        refused: the token that WeChat refused last, with the error, until another one is fetched.
        refresh_started_at, replaced_at: monotonic times of the last refresh, and of the last one that
            replaced a refused token.
        backoff_until: monotonic time until which callers get ``failure`` and no refresh starts.
        failure: the error of the last refresh, or None after a success.
        failures: how many refreshes in a row have failed.
    """

    def __init__(self, refused: tuple[str, WxcvError] | None = None) -> None:
        self.task: asyncio.Task[CachedToken | WxcvError] | None = None
        self.send: Send | None = None
        self.waiters: list[Waiter] = []
        self.refused = refused
        self.refresh_started_at = self.backoff_until = self.replaced_at = float("-inf")
        self.failure: WxcvError | None = None
        self.failures = 0

    def record_failure(self, error: WxcvError, now: float) -> None:
        """Record a failure and start a back-off, which grows with every transient failure in a row."""
        self.failure, self.failures = error, self.failures + 1
        if isinstance(error, TokenRejectedError):
            backoff = float(FORCED_PAUSE)
        elif error.retryable:
            retry_after = getattr(error, "retry_after", None) or 0.0
            backoff = min(
                _LONGEST_BACKOFF, max(retry_after, _SHORTEST_BACKOFF * 2.0 ** min(self.failures - 1, 10))
            )
        else:
            backoff = _LONGEST_BACKOFF
        self.backoff_until = now + backoff

    def record_success(self) -> None:
        """Forget all failures and the refused token."""
        self.failure, self.failures, self.backoff_until = None, 0, float("-inf")
        self.refused = None
