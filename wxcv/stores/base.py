"""Store: what processes share, as three small Protocols and one that is all of them."""

from __future__ import annotations

import secrets
from typing import Literal, NoReturn, Protocol

import attrs

from wxcv.values import Value

REFRESH_DEADLINE = 10.0
"""Seconds for one refresh, excluding the wait for a lease."""

FORCED_PAUSE = 30
"""Minimum seconds between two forced refreshes; WeChat ignores an earlier one."""

FORCED_PER_DAY = 10
"""Maximum forced refreshes a day; WeChat allows 20, and the rest is left to operators."""

PROBE_PAUSE = 900.0
"""Seconds between two sends that try whether there is market quota again."""

ANSWER_LIMIT = 1024 * 1024
"""Bytes of a kept answer."""

OPERATION_SECONDS = 2.0
"""Maximum seconds for one operation of a store."""

TOKEN_SLACK = 3600
"""Seconds for which a token's record, with its generation, outlives the token."""


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


@attrs.frozen(repr=False)
class Taken(Value):
    """The result of ``CounterStore.take``: one send taken from a day's limit, or a refusal.

    Attributes:
        number: how many sends have been taken in this day, including this one; None if it was refused.
        resets_at: Unix time, by the store's clock, at which the day ends.
        refused_by: why it was refused: "limit" (as many sends as ``limit`` have been taken), "day" (see
            ``mark_day_spent``) or "market" (see ``mark_market_spent``); None if it was taken.
        is_probe: the market quota is marked as used up, and this is the one send that may try whether it
            still is. Call ``clear_marks`` after a success, ``mark_market_spent`` after another refusal, and
            ``release_probe`` if it was sent and told neither.
        id: random; distinguishes it from all others, so that it is given back only once.
    """

    number: int | None
    resets_at: float
    refused_by: Literal["limit", "day", "market"] | None = None
    is_probe: bool = False
    id: str = attrs.field(factory=lambda: secrets.token_hex(8), eq=False, repr=False, kw_only=True)


@attrs.frozen(repr=False)
class Usage(Value):
    """What a CounterStore has counted in the current day, and its marks.

    Attributes:
        count: how many sends have been taken and not given back.
        resets_at: when the day ends, by the store's clock; Unix time, while ``DailyLimitError.resets_at`` is
            a datetime.
        is_day_spent: WeChat's quota of the day is marked as used up.
        is_market_spent: the market quota is marked as used up.
    """

    count: int
    resets_at: float
    is_day_spent: bool = False
    is_market_spent: bool = False


class TokenStore(Protocol):
    """Tokens that processes share; every method raises StoreError if it fails.

    It keeps, under a credential's key: the token with a generation that grows with every token, so that a
    late write cannot replace a newer one; a lease, so that one process at a time refreshes a kind of token
    that supersedes the previous one; how often a refresh was forced; and the newest refresh token.
    """

    lease: float
    """Seconds after which a lease that was not released expires."""

    async def load(self, key: str) -> StoredToken | None:
        """Return the token, valid or not; None if there is none, or what is there is not ours.

        It is kept for an hour after it expires, for its generation.
        """

    async def save(self, key: str, token: StoredToken, owner: str = "") -> bool:
        """Store the token if its generation is higher than the stored one's; return whether it was stored.

        With an owner, the token is stored only while that owner holds the lease.
        """

    async def invalidate(self, key: str, value: str) -> None:
        """Mark the stored token as refused (``ends_at`` 0) if its value is still this one."""

    async def acquire(self, key: str, owner: str) -> bool:
        """Take the lease and return True, if nobody else has it.

        Owners are random, so that it may be repeated with the same one when it failed.
        """

    async def release(self, key: str, owner: str) -> None:
        """Release the lease if this owner still holds it."""

    async def count_forced_refresh(self, key: str, now: float) -> bool:
        """Count a forced refresh at the Unix time ``now``; return False if it comes too soon or too often.

        Too soon is within 30 s of the previous one, too often is after ten in a day of UTC.
        """

    async def load_refresh_token(self, key: str) -> str | None:
        """Return the newest refresh token, or None."""

    async def save_refresh_token(self, key: str, refresh_token: str) -> None:
        """Keep the newest refresh token; it never expires."""


class CounterStore(Protocol):
    """The counts of daily limits that processes share; every method raises StoreError if it fails.

    Days are those of UTC+8, by the store's clock, and begin at ``reset_hour`` (0 to 23, in UTC+8). The end of
    a day is fixed when it begins: it does not move if the clock is set, by up to two days, and whoever gives
    another ``reset_hour`` has the same day until it ends. The count and the marks under a key are forgotten
    seven days after their last change.

    An operation that raises, or is cancelled, may have been carried out: a ``take`` then counts a send that
    does not take place, so that fewer sends than the limit are made, never more.
    """

    async def take(
        self, key: str, limit: int, *, reset_hour: int = 0, probe_every: float = PROBE_PAUSE
    ) -> Taken:
        """Take one send from the day's limit, or refuse to.

        However many processes and machines share the store, never more than ``limit`` sends are taken and not
        given back under one key in one day.

        Args:
            key: what is counted, such as an account and an endpoint.
            limit: sends a day, 0 or more; that of the caller, who may share the key with others.
            reset_hour: the hour at which the day begins.
            probe_every: seconds; while the market quota is marked as used up, one send in so many seconds is
                taken, with ``is_probe``.
        """

    async def give_back(self, key: str, taken: Taken) -> None:
        """Give a send back that did not take place: nothing of the image was sent.

        The count goes down by 1, but not below 0, and not after the end of that day. If the send was a probe,
        the next caller may probe at once.
        Giving back the same Taken (by its ``id``) again changes nothing, so that a failed attempt may be
        repeated.
        """

    async def mark_day_spent(self, key: str, taken: Taken) -> None:
        """Mark the quota as used up: refuse all further sends of the day to which ``taken`` belongs.

        For errcode 45009, as WeChat also counts calls that were not made through this store. Does nothing
        after the end of that day.
        """

    async def mark_market_spent(self, key: str) -> None:
        """Mark the market quota as used up: refuse all further sends, also on later days, except probes.

        For errcode 101003 and its like. Somebody may buy more calls at any time, so that one send in
        ``probe_every`` seconds tries again.
        """

    async def release_probe(self, key: str, taken: Taken) -> None:
        """After a probe that did not tell whether market quota is left, let the next caller probe at once.

        The call stays counted; does nothing if ``taken`` is no probe.
        """

    async def clear_marks(self, key: str) -> None:
        """Remove both marks; the count stays."""

    async def load_usage(self, key: str, *, reset_hour: int = 0) -> Usage:
        """Return the count and the marks, and change nothing."""


class AnswerStore(Protocol):
    """Answers that processes share; every method raises StoreError if it fails."""

    async def find_answer(self, key: str) -> str | None:
        """Return the answer that was kept under the key and has not expired; None if there is none."""

    async def keep_answer(self, key: str, answer: str, ttl: float) -> None:
        """Keep an answer in place of an earlier one.

        Args:
            key: what was asked, such as endpoint, fields and the image's hash.
            answer: JSON text. One of more than 1 MiB in UTF-8, or that cannot be encoded, is not kept.
            ttl: seconds for which it is kept, by the store's clock; above 0.
        """


class Store(TokenStore, CounterStore, AnswerStore, Protocol):
    """Everything that processes share; see TokenStore, CounterStore and AnswerStore."""


def is_keepable(answer: str) -> bool:
    """Return whether an AnswerStore keeps the answer."""
    try:
        return len(answer) <= ANSWER_LIMIT and len(answer.encode()) <= ANSWER_LIMIT
    except UnicodeEncodeError:
        return False
