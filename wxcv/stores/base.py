"""Store: the token state that processes share.

Under a credential's key, a store keeps the token, with a generation that grows with every token so that a
late write cannot replace a newer one; a lease, so that one process at a time refreshes a kind of token that
supersedes the previous one; the number of forced refreshes; and the newest refresh token.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

import attrs

from wxcv.values import Value

REFRESH_DEADLINE = 10.0
"""Seconds for one refresh, excluding the wait for a lease."""

FORCED_PAUSE = 30
"""Minimum seconds between two forced refreshes; WeChat ignores an earlier one."""

FORCED_PER_DAY = 10
"""Maximum forced refreshes a day; WeChat allows 20, and the rest is left to operators."""


@attrs.frozen(repr=False)
class StoredToken(Value):
    """A token as a Store returns it. Its repr hides the value, and it cannot be pickled.

    Attributes:
        value: the token; secret.
        generation: a number that grows by 1 with every stored token.
        ends_at: the Unix time at which it expires, by the clock of the process that stored it; 0 if WeChat
            refused it.
        left: the seconds until it expires, by the store's own clock.
    """

    value: str = attrs.field(repr=False)
    generation: int
    ends_at: float
    left: float

    def __reduce__(self) -> NoReturn:
        raise TypeError("a StoredToken holds a secret and cannot be pickled; store its fields instead")


class Store(Protocol):
    """The interface of a shared store, for a TokenCache. Every method raises StoreError if it fails.

    In every method, ``key`` is a credential's key, and ``owner`` a string that identifies one refresh of one
    process.
    """

    lease: float
    """Seconds after which a lease that was not released expires."""

    async def load(self, key: str) -> StoredToken | None:
        """Return the stored token, expired or not; None if there is none, or the value is a foreign one."""

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """Store the token if its generation is higher than the stored one's; return whether it was stored.

        With an owner, the token is stored only while that owner holds the lease.
        """

    async def invalidate(self, key: str, value: str) -> None:
        """Mark the stored token as refused (``ends_at`` 0) if its value is still this one."""

    async def acquire(self, key: str, owner: str) -> bool:
        """Acquire the lease if nobody holds it; return whether it was acquired."""

    async def release(self, key: str, owner: str) -> None:
        """Release the lease if this owner still holds it."""

    async def claim_forced_refresh(self, key: str, now: float) -> bool:
        """If a forced refresh is allowed at the Unix time ``now``, record it and return True.

        None is allowed less than 30 s after the last one, or after 10 in the same UTC day.
        """

    async def load_refresh_token(self, key: str) -> str | None:
        """Return the newest refresh token, or None."""

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """Store the newest refresh token; it does not expire."""
