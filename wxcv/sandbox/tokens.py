"""The desk that gives out access tokens and knows which of them are good.

Pages: https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html (classic),
https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken (stable),
https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html (who breaks whom).
"""

import math
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wxcv.sandbox.answers import Refusal

Kind = Literal["stable", "classic"]

OVERLAP = 300
"""Seconds for which an old and a new token are both good."""

FORCED_PAUSE = 30
"""Seconds between two forced refreshes; a call that comes sooner does not refresh."""

FORCED_A_DAY = 20

_BEIJING = 8 * 3600
_REMEMBERED = 10_000


@dataclass(slots=True)
class Token:
    """A token with the Unix times (seconds) of its end: `expires_at` by age, `dies_at` by a newer token."""

    kind: Kind
    value: str
    expires_at: float
    dies_at: float = math.inf


class TokenDesk:
    """Issues the tokens of one account, both kinds apart from each other, on a clock that is given.

    Args:
        clock: returns the Unix time in seconds.
        life: seconds that a new token lives. Under 600 the overlap shrinks to half of the life, so that a
            token of a short life is still handed out more than once.
    """

    def __init__(self, *, clock: Callable[[], float], life: int) -> None:
        self.mints: Counter[str] = Counter()
        self._clock = clock
        self._life = life
        self._overlap = min(OVERLAP, life / 2)
        self._current: dict[Kind, Token] = {}
        self._issued: dict[str, Token] = {}
        self._forced_at = -math.inf
        self._forced_by_day: Counter[int] = Counter()

    def classic(self) -> dict[str, object]:
        """Return a new token; the one before it stays good for at most `OVERLAP` seconds more."""
        now = self._clock()
        previous = self._current.get("classic")
        if previous is not None:
            previous.dies_at = now + OVERLAP
        return _grant(self._mint("classic", now), now)

    def stable(self, *, force_refresh: bool = False) -> dict[str, object]:
        """Return the current token with the rest of its life, or a new one in its last `OVERLAP` seconds.

        With `force_refresh` a new one is made and the old ones die at once, but only if the last such call
        is `FORCED_PAUSE` seconds ago.

        Raises:
            Refusal: 45009, `FORCED_A_DAY` forced refreshes were made today. The tokens stay as they were.
        """
        now = self._clock()
        if force_refresh and now - self._forced_at >= FORCED_PAUSE:
            self._force(now)
        token = self._current.get("stable")
        if token is None or token.expires_at - now < self._overlap:
            token = self._mint("stable", now)
        return _grant(token, now)

    def check(self, value: str) -> None:
        """Accept a token that is good now.

        Raises:
            Refusal: 41001 nothing was sent; 42001 its life is over; 40001 it is not ours or was superseded.
        """
        if not value:
            raise Refusal(41001)
        now = self._clock()
        token = self._issued.get(value)
        if token is not None and now >= token.expires_at:
            raise Refusal(42001)
        if token is None or now >= token.dies_at:
            raise Refusal(40001)

    def _force(self, now: float) -> None:
        # The day of the quota is taken to begin at midnight in Beijing; no page says when it does.
        today = int((now + _BEIJING) // 86_400)
        if self._forced_by_day[today] >= FORCED_A_DAY:
            raise Refusal(45009)
        self._forced_by_day[today] += 1
        self._forced_at = now
        for token in self._issued.values():
            if token.kind == "stable":
                token.dies_at = now
        self._mint("stable", now)

    def _mint(self, kind: Kind, now: float) -> Token:
        token = Token(kind, secrets.token_urlsafe(96), expires_at=now + self._life)
        self.mints[kind] += 1
        self._current[kind] = token
        self._issued[token.value] = token
        if len(self._issued) > _REMEMBERED:
            del self._issued[next(iter(self._issued))]
        return token


def _grant(token: Token, now: float) -> dict[str, object]:
    return {"access_token": token.value, "expires_in": int(token.expires_at - now)}
