"""How each kind of account asks for a token, without I/O: as a generator of steps."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import attrs

from wxcv import checks
from wxcv.answers import decode
from wxcv.errors import ProtocolError, TokenSourceError
from wxcv.masking import class_name, function_name
from wxcv.models import AccessToken
from wxcv.requests import Request, json_request
from wxcv.steps import Ask, Asked, Steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wxcv.answers import Response

BASE_URL = "https://api.weixin.qq.com"
LONGEST_LIFE = 7200.0
"""Seconds; no token of WeChat lives longer, whatever an answer says."""


class Credential:
    """An account, and how its calls are authorised; the base of all kinds.

    It refuses to be pickled, as it holds secrets.
    """

    query_name: ClassVar[str] = "access_token"
    """The query parameter that carries the token; "" for a kind without tokens."""
    base_url: ClassVar[str] = BASE_URL
    """Where its calls go if a Session is not told otherwise."""
    may_use_http: ClassVar[bool] = False
    """Whether plain http needs no permission."""

    @property
    def key(self) -> str:
        """Account and kind, under which a token is kept; never a secret."""
        raise NotImplementedError

    @property
    def can_force(self) -> bool:
        """Whether a new token can be demanded when the refused one is handed out again."""
        return False

    @property
    def is_shared(self) -> bool:
        """Whether a token is worth sharing between processes."""
        return True

    @property
    def is_exclusive(self) -> bool:
        """Whether a new token supersedes the one before, so that only one process may ask."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is masked wherever a server repeats it, besides the tokens."""
        return ()

    @property
    def issuer(self) -> Credential | None:
        """The account whose token it takes to ask for a token of this one, or None."""
        return None

    def renew(self, asked: Asked) -> Steps:
        """Ask for a token.

        Raises (while it runs):
            WxcvError: WeChat refused, or its answer cannot be used.
        """
        raise NotImplementedError

    def check(self, response: Response) -> None:
        """Look at the answer of a call before it is decoded; raise a WxcvError if it is not WeChat's."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and is not pickled; make it where it is used"
        )


def plain_text(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    """Validate a field as ``checks.plain`` does."""
    checks.plain(field.name, value)


def _flag(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.flag(field.name, value)


def _function(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.function(field.name, value)


def _life(value: object) -> float:
    """Return seconds, at most LONGEST_LIFE; 0 for what is no life."""
    try:
        life = float(value)  # type: ignore[arg-type] # asked to find out
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(life, LONGEST_LIFE) if math.isfinite(life) else 0.0


def _token_fault(value: object, life: float, name: str) -> str:
    """Say what is wrong with a token and its life, or "" if nothing is."""
    if not value:
        return f"{name} is missing"
    try:
        checks.plain(name, value)
    except (TypeError, ValueError) as error:
        return str(error)
    return "" if life > 0 else "expires_in must be a number of seconds above 0"


def access_token(fields: Mapping[str, Any], kind: str, name: str = "access_token") -> AccessToken:
    """Read token and life from a token endpoint's JSON.

    Raises:
        ProtocolError: no token, one of more than 2,048 characters, or a life that is no number above 0.
    """
    value, life = fields.get(name), _life(fields.get("expires_in"))
    fault = _token_fault(value, life, name)
    if fault:
        raise ProtocolError(f"the answer to a token request cannot be used: {fault}", status=200)
    return AccessToken(str(value), life, kind)


@attrs.frozen
class AppCredential(Credential):
    """An official account or mini program with its own AppSecret.

    Args:
        appid: not empty, ASCII, no white space.
        secret: the AppSecret; the same. For servers only: never ship it to a front end.
        stable: ask ``/cgi-bin/stable_token``, where every process gets the same token. False asks the
            classic ``/cgi-bin/token``, where every new token supersedes the one before: with more than one
            process it needs a TokenCache with a Store.

    Raises:
        ValueError, TypeError: naming the field, never its value.

    Pages: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
    and https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html
    """

    appid: str = attrs.field(validator=plain_text)
    secret: str = attrs.field(repr=False, validator=plain_text)
    stable: bool = attrs.field(default=True, kw_only=True, validator=_flag)

    @property
    def _kind(self) -> str:
        return "stable" if self.stable else "classic"

    @property
    def key(self) -> str:
        """Kind and appid."""
        return f"{self._kind}:{self.appid}"

    @property
    def can_force(self) -> bool:
        """The stable kind knows ``force_refresh``; a classic answer is always a new token."""
        return self.stable

    @property
    def is_exclusive(self) -> bool:
        """A new classic token supersedes the one before; all processes get the same stable one."""
        return not self.stable

    @property
    def secrets(self) -> tuple[str, ...]:
        """The AppSecret."""
        return (self.secret,)

    def renew(self, asked: Asked) -> Steps:
        """Ask for a token; see ``Credential.renew``."""
        fields = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        if self.stable:
            response = yield json_request("/cgi-bin/stable_token", {**fields, "force_refresh": asked.force})
        else:
            response = yield Request("GET", "/cgi-bin/token", tuple(fields.items()))
        return access_token(
            decode(response, known=self.secrets, is_token_answer=True, is_own=True), self._kind
        )


@attrs.frozen
class FixedToken(Credential):
    """A token that someone else fetched; it is used until WeChat refuses it.

    Args:
        token: an access_token; not empty, ASCII, no white space, at most 2,048 characters.

    After a refusal every call ends with TokenRejectedError, and nothing is sent.
    """

    token: str = attrs.field(repr=False, validator=plain_text)
    _id: str = attrs.field(init=False, repr=False, factory=lambda: secrets.token_hex(8))

    @property
    def key(self) -> str:
        """A name of this object."""
        return f"fixed:{self._id}"

    @property
    def is_shared(self) -> bool:
        """Every process was given it already."""
        return False

    def renew(self, asked: Asked) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Return the token; its life is not known."""
        yield from ()
        return AccessToken(self.token, LONGEST_LIFE, "fixed")


@attrs.frozen
class TokenFrom(Credential):
    """A token service of the caller's own.

    Args:
        function: an async function of one argument, the token that WeChat refused, or None; it returns an
            AccessToken of at most 2,048 characters, and another one than the refused. It is called once for
            all callers together, when no token is valid or its end is near. What it raises becomes a
            TokenSourceError, which names the class and the line and ends a batch; a WxcvError is passed on as
            it is, and one that is retryable makes wxcv call the function again, up to three times.
    """

    function: Callable[[str | None], Awaitable[AccessToken]] = attrs.field(repr=False, validator=_function)
    _id: str = attrs.field(init=False, repr=False, factory=lambda: secrets.token_hex(8))

    @property
    def key(self) -> str:
        """A name of this object."""
        return f"function:{self._id}"

    @property
    def is_shared(self) -> bool:
        """The token service is what is shared."""
        return False

    def renew(self, asked: Asked) -> Steps:
        """Ask the function."""
        token = yield Ask(self.function, (asked.refused,))
        name, reason = function_name(self.function), class_name(token)
        if not isinstance(token, AccessToken):
            raise TokenSourceError(f"{name} must return an AccessToken, not {reason}", reason=reason)
        life = _life(token.expires_in)
        fault = _token_fault(token.value, life, "value")
        if fault:
            raise TokenSourceError(f"{name} returned an AccessToken that cannot be used: {fault}")
        return AccessToken(token.value, life, "function")
