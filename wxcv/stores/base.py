"""Store: what processes share about their accounts' tokens.

A store keeps, under a credential's key: the token with a generation that grows with every token, so that a
late write cannot replace a newer one; a lease, so that one process at a time refreshes a kind of token that
supersedes the previous one; how often a refresh was forced; and the newest refresh token.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from wxcv.values import Value

REFRESH_DEADLINE = 10.0
"""Seconds for one refresh, without the wait for a lease."""

FORCED_PAUSE = 30
"""Seconds between two forced refreshes; WeChat ignores one that comes sooner."""

FORCED_A_DAY = 10
"""Of the 20 that WeChat allows; the rest is for operators."""


@attrs.frozen(repr=False)
class StoredToken(Value):
    """A token as a store knows it.

    Attributes:
        value: secret.
        generation: grows by 1 with every token that is stored.
        ends_at: Unix time by the clock of the process that stored it; 0 for a token that was refused.
        left: seconds that it still lives by the store's own clock.
    """

    value: str = attrs.field(repr=False)
    generation: int
    ends_at: float
    left: float


class Store(Protocol):
    """What a TokenCache asks of a shared store; every method raises StoreError if it fails."""

    lease: float
    """Seconds after which a lease that was not released ends."""

    async def load(self, key: str) -> StoredToken | None:
        """Return the token, living or not; None if there is none, or what is there is not ours."""

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """Store the token and return True, if its generation is higher than that of the stored one.

        With an owner, only while that owner has the lease.
        """

    async def invalidate(self, key: str, value: str) -> None:
        """Mark the token as refused (``ends_at`` 0) if it is still that one."""

    async def acquire(self, key: str, owner: str) -> bool:
        """Take the lease, if nobody has it."""

    async def release(self, key: str, owner: str) -> None:
        """Give the lease back, if it is still this owner's."""

    async def may_force(self, key: str, now: float) -> bool:
        """Count a forced refresh at the Unix time ``now``, unless it comes too soon or too often."""

    async def load_refresh_token(self, key: str) -> str | None:
        """Return the newest refresh token, or None."""

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """Keep the newest refresh token."""
