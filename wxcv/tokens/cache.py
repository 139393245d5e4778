"""TokenCache: the tokens that several sessions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from wxcv.clock import Clock
    from wxcv.stores.base import Store


class TokenCache:
    """Holds the tokens of any number of accounts; several sessions may share it.

    A token is refreshed in the background before it ends, so that no caller waits when tokens change. When no
    valid token is cached, all callers wait for one refresh, of 10 s and three tries at most, and before that
    for another process that holds the store's lease. Cancelling a caller cancels nobody else. After a failed
    refresh, callers get the same error at once until the back-off ends: 60 s after a refusal; 5 s, doubling
    to 60 s, or what Retry-After says, after a transient failure; 30 s when WeChat refuses the very token that
    it hands out and a forced refresh is not allowed yet.

    A process may use it in several event loops, one after the other, but not in several threads at a time.

    Args:
        store: what several processes share, such as a RedisStore. It is needed where a new token ends the
            previous one (``AppCredential(..., stable=False)``, third-party platforms) and more than one
            process fetches tokens.
        maxsize: of how many accounts tokens are kept at most; the least recently used goes first. The newest
            refresh tokens of merchants are kept besides, and never dropped.
        clock: where time comes from.

    Raises:
        ValueError, TypeError: naming the argument.
    """

    def __init__(
        self, store: Store | None = None, *, maxsize: int = 10_000, clock: Clock | None = None
    ) -> None:
        checks.whole("maxsize", maxsize)
        checks.optional("store", store, "Store, such as RedisStore", "load", "save", "acquire")
        checks.optional("clock", clock, "Clock", "monotonic", "wall", "sleep")
        self._manager = TokenManager(clock or SystemClock(), store, maxsize)


def manager_of(cache: TokenCache) -> TokenManager:
    """Return what a session works with."""
    return cache._manager  # noqa: SLF001 - users of the class need none of it
