"""TokenIssuer: issues access tokens and knows which of them are valid.

Pages: https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html (classic),
https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken (stable),
https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html (which token invalidates which),
https://developers.weixin.qq.com/minigame/dev/wxcloud/guide/container/cloudcall.html (cloud).
"""

import math
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.quotas import quota_day

Kind = Literal["stable", "classic", "component", "authorizer", "cloud"]

OVERLAP = 300
"""Seconds for which an old and a new token are both good."""

FORCED_PAUSE = 30
"""Seconds between two forced refreshes; a call that comes sooner does not refresh."""

FORCED_A_DAY = 20

CLOUD_LIFE = 1800
"""Seconds that a token of cloud hosting lives."""

REMEMBERED = 100_000
"""Tokens that are known at a time; beyond them the oldest is forgotten, as if it had never been ours."""


@dataclass(slots=True)
class Token:
    """A token with the Unix times (seconds) of its end: `expires_at` by age, `dies_at` by anything else."""

    kind: Kind
    value: str
    expires_at: float
    dies_at: float = math.inf

    def die(self, at: float) -> None:
        """End at this time, unless it ends sooner."""
        self.dies_at = min(self.dies_at, at)


class TokenIssuer:
    """Issues tokens of every kind, apart from one another, on a clock that is given.

    Args:
        clock: returns the Unix time in seconds.
        life: seconds that a new token lives. Under 600 the overlap shrinks to half of the life, so that a
            token of a short life is still handed out more than once.
        reset_hour: the hour in Beijing when the forced refreshes of a new day begin.

    Attributes:
        issued_by_kind: how many tokens were issued, by kind.
    """

    def __init__(self, *, clock: Callable[[], float], life: int, reset_hour: int = 0) -> None:
        self.issued_by_kind: Counter[str] = Counter()
        self._clock = clock
        self._life = life
        self._reset_hour = reset_hour
        self._overlap = min(OVERLAP, life / 2)
        self._current: dict[tuple[Kind, str], Token] = {}
        self._issued: dict[str, Token] = {}
        self._forced_at = -math.inf
        self._forced_by_day: Counter[int] = Counter()

    def classic(self) -> Fields:
        """Return a new token; the one before it stays good for at most `OVERLAP` seconds more."""
        return self.grant("classic")

    def stable(self, *, force_refresh: bool = False) -> Fields:
        """Return the current token with the rest of its life, or a new one in its last `OVERLAP` seconds.

        With `force_refresh` a new one is made and the old ones die at once, but only if the last such call
        is `FORCED_PAUSE` seconds ago.

        Raises:
            Refusal: 45009, `FORCED_A_DAY` forced refreshes were made today. The tokens stay as they were.
        """
        now = self._clock()
        if force_refresh and now - self._forced_at >= FORCED_PAUSE:
            self._force(now)
        token = self._current.get(("stable", ""))
        if token is None or token.expires_at - now < self._overlap:
            return self.grant("stable")
        return {"access_token": token.value, "expires_in": int(token.expires_at - now)}

    def grant(self, kind: Kind, owner: str = "") -> Fields:
        """Return a new token of this kind with its life, as `{prefix}access_token` and `expires_in`.

        The prefix is the kind's own, nothing for stable and classic ones. The token that the same owner had
        before stays good for at most `OVERLAP` seconds more.
        """
        previous = self._current.get((kind, owner))
        if previous is not None:
            previous.die(self._clock() + OVERLAP)
        token = self._current[kind, owner] = self._issue(kind, self._life)
        prefix = f"{kind}_" if kind in {"component", "authorizer"} else ""
        return {f"{prefix}access_token": token.value, "expires_in": self._life}

    def cloud(self) -> str:
        """Return a new token of cloud hosting; it lives `CLOUD_LIFE` seconds, and so do those before it."""
        return self._issue("cloud", CLOUD_LIFE).value

    def check(self, value: str) -> Kind:
        """Accept a token that is good now, and return its kind.

        Raises:
            Refusal: 41001 nothing was sent; 42001 its life is over; 40001 it is not ours, was superseded or
                revoked.
        """
        if not value:
            raise Refusal(41001)
        now = self._clock()
        token = self._issued.get(value)
        if token is not None and now >= token.expires_at:
            raise Refusal(42001)
        if token is None or now >= token.dies_at:
            raise Refusal(40001)
        return token.kind

    def revoke(self, value: str) -> None:
        """Refuse a token from now on, though it is still handed out as if nothing had happened.

        Raises:
            ValueError: it is not one of ours.
        """
        if value not in self._issued:
            raise ValueError("token must be one that this sandbox has given out")
        self._issued[value].die(self._clock())

    def _force(self, now: float) -> None:
        today = quota_day(now, reset_hour=self._reset_hour)
        if self._forced_by_day[today] >= FORCED_A_DAY:
            raise Refusal(45009)
        self._forced_by_day[today] += 1
        self._forced_at = now
        for token in self._issued.values():
            if token.kind == "stable":
                token.die(now)
        self._current.pop(("stable", ""), None)

    def _issue(self, kind: Kind, life: int) -> Token:
        token = Token(kind, secrets.token_urlsafe(96), expires_at=self._clock() + life)
        self.issued_by_kind[kind] += 1
        self._issued[token.value] = token
        if len(self._issued) > REMEMBERED:
            del self._issued[next(iter(self._issued))]
        return token
