"""TokenCache: the tokens that several sessions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.tokens.manager import TokenManager

if TYPE_CHECKING:
    from wxcv.clock import Clock
    from wxcv.stores.base import TokenStore

_STORE_METHODS = (
    *("load", "save", "invalidate", "acquire", "release"),
    *("count_forced_refresh", "load_refresh_token", "save_refresh_token"),
)


class TokenCache:
    """Holds the tokens of any number of accounts; several sessions may share one. Construct it and pass it.

    A token is refreshed in the background before it expires, so that calls do not wait for it. When no valid
    token is cached, all callers wait for one refresh of at most 10 s, three tries and one forced refresh, and
    before that for another process that holds the store's lease. Cancelling one caller does not affect the
    others. After a failed refresh, callers get the same error at once until the back-off ends:

    - 60 s after a refusal;
    - 5 s after a transient failure, doubling up to 60 s, or longer if Retry-After says so, but never more
      than 60 s;
    - 30 s if WeChat refuses the very token that it returns and a forced refresh is not allowed yet.

    A process may use it in several event loops one after another, but not in several threads at once.

    Args:
        store: a Store that several processes share, such as SQLiteStore(path) or a RedisStore. It is needed
            when more than one process fetches tokens of a kind whose new tokens invalidate the previous one
            (``AppCredential(..., stable=False)``, third-party platforms).
        maxsize: maximum number of accounts whose tokens are kept, 1 to 10 ** 9; the least recently used is
            dropped first. The newest refresh tokens of authorizers are kept separately and never dropped.
        clock: the source of time; None uses the system's clocks.

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
    """

    def __init__(
        self, store: TokenStore | None = None, *, maxsize: int = 10_000, clock: Clock | None = None
    ) -> None:
        checks.check_integer("maxsize", maxsize)
        checks.check_optional(
            "store", store, "TokenStore, such as SQLiteStore(path) or RedisStore", *_STORE_METHODS
        )
        checks.check_optional("clock", clock, "Clock", "monotonic", "wall", "sleep", "timeout")
        self._manager = TokenManager(clock or SystemClock(), store, maxsize)


def get_manager(cache: TokenCache) -> TokenManager:
    """Return the TokenManager behind a TokenCache, for sessions."""
    return cache._manager  # noqa: SLF001 - not part of the public class
