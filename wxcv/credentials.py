"""How each kind of account asks for a token: request and answer as values, no I/O."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol

import attrs

from wxcv import checks
from wxcv.errors import ProtocolError
from wxcv.models import AccessToken
from wxcv.wire import Request, Response, decode, json_request

if TYPE_CHECKING:
    from typing import Any

LONGEST_LIFE = 7200.0
"""Seconds; no token of WeChat lives longer, whatever an answer says."""


Renewal = Generator[Request, Response, AccessToken]
"""How a token is had, without I/O: yields requests, is sent their responses, returns the token."""


class Credential(Protocol):
    """What a TokenCache needs to know of an account."""

    @property
    def key(self) -> str:
        """Account and kind, under which a token is kept; never a secret."""

    @property
    def query_name(self) -> str:
        """The query parameter that carries the token."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is masked wherever a server repeats it."""

    @property
    def can_force(self) -> bool:
        """Whether a new token can be demanded when the refused one is handed out again."""

    def renew(self, *, force: bool = False) -> Renewal:
        """Ask for a token.

        Raises (while it runs):
            APIError: WeChat refused.
            ProtocolError: no usable answer, or a life that is no number above 0.
        """


def _plain(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.plain(field.name, value)


def _life(value: object) -> float:
    """Return seconds, at most LONGEST_LIFE; 0 for what is no life."""
    try:
        life = float(value)  # type: ignore[arg-type] # asked to find out
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(life, LONGEST_LIFE) if math.isfinite(life) else 0.0


def read_access_token(response: Response, kind: str, known: tuple[str, ...]) -> AccessToken:
    """Read ``{"access_token": ..., "expires_in": ...}``; raises as ``Credential.renew`` does."""
    fields = decode(response, known=known, on_token_call=True)
    value, life = fields.get("access_token"), _life(fields.get("expires_in"))
    if isinstance(value, str) and value and life > 0:
        return AccessToken(value, life, kind)
    fault = "expires_in is no number of seconds above 0" if value else "access_token is missing"
    raise ProtocolError(f"the answer to a token request cannot be used: {fault}", status=response.status)


@attrs.frozen
class AppCredential:
    """An official account or mini program with its own AppSecret.

    Args:
        appid: not empty, ASCII, no white space.
        secret: the AppSecret; the same. For servers only: never ship it to a front end.
        stable: ask ``/cgi-bin/stable_token``, where every process gets the same token. False asks the
            classic ``/cgi-bin/token``, where every new token supersedes the one before.

    Raises:
        ValueError, TypeError: naming the field, never its value.

    Pages: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
    and https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html
    """

    appid: str = attrs.field(validator=_plain)
    secret: str = attrs.field(repr=False, validator=_plain)
    stable: bool = attrs.field(default=True, kw_only=True)

    query_name: ClassVar[str] = "access_token"

    @property
    def kind(self) -> str:
        """``stable`` or ``classic``."""
        return "stable" if self.stable else "classic"

    @property
    def key(self) -> str:
        """Account and kind; no secret."""
        return f"app:{self.kind}:{self.appid}"

    @property
    def can_force(self) -> bool:
        """The stable kind knows ``force_refresh``; a classic answer is always a new token."""
        return self.stable

    @property
    def secrets(self) -> tuple[str, ...]:
        """The AppSecret."""
        return (self.secret,)

    def renew(self, *, force: bool = False) -> Renewal:
        """Ask for a token; see ``Credential.renew``."""
        fields = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        if self.stable:
            response = yield json_request("/cgi-bin/stable_token", {**fields, "force_refresh": force})
        else:
            response = yield Request("GET", "/cgi-bin/token", tuple(fields.items()))
        return read_access_token(response, self.kind, self.secrets)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an AppCredential holds a secret and is not pickled; make it where it is used")
