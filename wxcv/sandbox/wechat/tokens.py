"""TokenIssuer: issues access tokens and knows which of them are valid.

Sources: https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html (classic),
https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken (stable),
https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html (which token invalidates
which), https://developers.weixin.qq.com/minigame/dev/wxcloud/guide/container/cloudcall.html (cloud).
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
"""Seconds for which an old and a new token are both valid."""

FORCED_PAUSE = 30
"""Minimum seconds between two forced refreshes; an earlier request does not refresh."""

FORCED_PER_DAY = 20

CLOUD_LIFE = 1800
"""Lifetime of a token of cloud hosting in seconds."""

REMEMBERED = 100_000
"""Maximum number of tokens that are remembered; beyond it the oldest one becomes unknown."""


@dataclass(slots=True)
class Token:
    """A token, valid until the earlier of two Unix times: `expires_at` (age), `invalid_at` (otherwise)."""

    kind: Kind
    value: str
    expires_at: float
    invalid_at: float = math.inf

    def invalidate_at(self, at: float) -> None:
        """Make the token invalid from this time on, unless it already is before."""
        self.invalid_at = min(self.invalid_at, at)


class TokenIssuer:
    """Issues the tokens of every kind.

    Args:
        clock: returns the Unix time in seconds.
        life: lifetime of a new token in seconds. Under 600, a new stable token is issued in the last half of
            the lifetime instead of the last 300 s.
        reset_hour: the hour in Beijing at which the daily limit of forced refreshes resets.

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
        """Return a new token; the previous one stays valid for at most `OVERLAP` more seconds."""
        return self.grant("classic")

    def stable(self, *, force_refresh: bool = False) -> Fields:
        """Return the current token with its remaining seconds, or a new one in its last `OVERLAP` seconds.

        With `force_refresh` a new token is issued and the old ones become invalid at once, but only if the
        last forced refresh was at least `FORCED_PAUSE` seconds ago.

        Raises:
            Refusal: 45009, there were `FORCED_PER_DAY` forced refreshes today. The tokens are unchanged.
        """
        now = self._clock()
        if force_refresh and now - self._forced_at >= FORCED_PAUSE:
            self._force(now)
        token = self._current.get(("stable", ""))
        if token is None or token.expires_at - now < self._overlap:
            return self.grant("stable")
        return {"access_token": token.value, "expires_in": int(token.expires_at - now)}

    def grant(self, kind: Kind, owner: str = "") -> Fields:
        """Return a new token of this kind with its lifetime, as `{prefix}access_token` and `expires_in`.

        The prefix is empty for stable and classic tokens, else the kind. The owner's previous token stays
        valid for at most `OVERLAP` more seconds.
        """
        previous = self._current.get((kind, owner))
        if previous is not None:
            previous.invalidate_at(self._clock() + OVERLAP)
        token = self._current[kind, owner] = self._issue(kind, self._life)
        prefix = f"{kind}_" if kind in {"component", "authorizer"} else ""
        return {f"{prefix}access_token": token.value, "expires_in": self._life}

    def cloud(self) -> str:
        """Return a new token of cloud hosting, valid for `CLOUD_LIFE` seconds; earlier ones stay valid."""
        return self._issue("cloud", CLOUD_LIFE).value

    def check(self, value: str) -> Kind:
        """Return the kind of a token that is valid now.

        Raises:
            Refusal: 41001: there is no token; 42001: it has expired; 40001: it is unknown, superseded or
                revoked.
        """
        if not value:
            raise Refusal(41001)
        now = self._clock()
        token = self._issued.get(value)
        if token is not None and now >= token.expires_at:
            raise Refusal(42001)
        if token is None or now >= token.invalid_at:
            raise Refusal(40001)
        return token.kind

    def revoke(self, value: str) -> None:
        """Refuse a token from now on, although `stable` still returns it.

        Raises:
            ValueError: it was not issued here.
        """
        if value not in self._issued:
            raise ValueError("token must be one that this sandbox has issued")
        self._issued[value].invalidate_at(self._clock())

    def _force(self, now: float) -> None:
        today = quota_day(now, reset_hour=self._reset_hour)
        if self._forced_by_day[today] >= FORCED_PER_DAY:
            raise Refusal(45009)
        self._forced_by_day[today] += 1
        self._forced_at = now
        for token in self._issued.values():
            if token.kind == "stable":
                token.invalidate_at(now)
        self._current.pop(("stable", ""), None)

    def _issue(self, kind: Kind, life: int) -> Token:
        token = Token(kind, secrets.token_urlsafe(96), expires_at=self._clock() + life)
        self.issued_by_kind[kind] += 1
        self._issued[token.value] = token
        if len(self._issued) > REMEMBERED:
            del self._issued[next(iter(self._issued))]
        return token
