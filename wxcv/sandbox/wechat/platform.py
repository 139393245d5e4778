"""The third-party platform: tickets from WeChat, authorizers, and tokens for both.

Sources: https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/ticket-token/getComponentAccessToken.html,
https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/ticket-token/getAuthorizerAccessToken.html
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.tokens import TokenIssuer

TICKET_LIFE = 12 * 3600
"""Seconds for which a ticket is valid after it was pushed."""

_EXPIRED = 42001


@dataclass(slots=True)
class Authorizer:
    """An account that authorised the platform: its refresh token, and earlier ones that still work."""

    refresh_token: str
    earlier: set[str] = field(default_factory=set)


class Platform:
    """The third-party platform of a sandbox, with a generated appid and secret.

    Args:
        account: the appid of the sandbox's ordinary account.
        issuer: issues the tokens of the platform and of its authorizers.
        clock: returns the Unix time in seconds, by which tickets expire.
        choices: switches for what WeChat's documentation leaves open.
    """

    def __init__(
        self, *, account: str, issuer: TokenIssuer, clock: Callable[[], float], choices: Choices
    ) -> None:
        self.appid = f"wx{secrets.token_hex(8)}"
        self.secret = secrets.token_hex(16)
        self._account = account
        self._issuer = issuer
        self._clock = clock
        self._choices = choices
        self._authorizers: dict[str, Authorizer] = {}
        self._tickets: dict[str, float] = {}
        self.push_ticket()

    @property
    def ticket(self) -> str:
        """The newest ticket; setting it pushes another one. Each is valid for `TICKET_LIFE` seconds."""
        return self._ticket

    @ticket.setter
    def ticket(self, value: str) -> None:
        self._ticket = value
        self._tickets[value] = self._clock()

    def push_ticket(self) -> str:
        """Push a generated ticket, and return it."""
        self.ticket = f"ticket@@@{secrets.token_urlsafe(64)}"
        return self.ticket

    def authorize(self, appid: str) -> str:
        """Make an account an authorizer; return its refresh token, and invalidate its earlier ones."""
        self._authorizers[appid] = Authorizer(secrets.token_urlsafe(32))
        return self._authorizers[appid].refresh_token

    def component_token(self, body: Mapping[str, object]) -> Fields:
        """Answer api_component_token.

        Raises:
            Refusal: 41018, 40013 or 61011: the component_appid is missing, unknown or not a platform's; 61006
                or 61005: the component_verify_ticket is unknown or too old; 41004 or 40125: the
                component_appsecret is missing or wrong.
        """
        self._check_appid(body)
        pushed_at = self._tickets.get(_text(body, "component_verify_ticket"))
        if pushed_at is None:
            raise Refusal(61006)
        if self._clock() - pushed_at >= TICKET_LIFE:
            raise Refusal(61005)
        secret = body.get("component_appsecret")
        if not secret:
            raise Refusal(41004)
        if secret != self.secret:
            raise Refusal(40125)
        return self._issuer.grant("component")

    def authorizer_token(self, token: str, body: Mapping[str, object] | None) -> Fields:
        """Answer api_authorizer_token; `token` is the component token from the query.

        Raises:
            Refusal: 41001, 40001, 61014 or the errcode of `choices`: the token is unusable; 47001: the body
                is not a JSON object; 41018, 40013 or 61011: the component_appid is unusable; 41002: there is
                no authorizer_appid; 61003: it has not authorised the platform; 61023: the
                authorizer_refresh_token is not its own. The refresh token is unchanged.
        """
        self._check_token(token)
        if body is None:
            raise Refusal(47001)
        self._check_appid(body)
        appid, authorizer = self._get_authorizer(body)
        sent = _text(body, "authorizer_refresh_token")
        if sent != authorizer.refresh_token and sent not in authorizer.earlier:
            raise Refusal(61023)
        self._rotate(authorizer)
        granted = self._issuer.grant("authorizer", appid)
        return {**granted, "authorizer_refresh_token": authorizer.refresh_token}

    def _get_authorizer(self, body: Mapping[str, object]) -> tuple[str, Authorizer]:
        appid = _text(body, "authorizer_appid")
        authorizer = self._authorizers.get(appid)
        if authorizer is None:
            raise Refusal(61003 if body.get("authorizer_appid") else 41002)
        return appid, authorizer

    def _rotate(self, authorizer: Authorizer) -> None:
        if not self._choices.refresh_token_rotates:
            return
        if self._choices.old_refresh_token_works:
            authorizer.earlier.add(authorizer.refresh_token)
        authorizer.refresh_token = secrets.token_urlsafe(32)

    def _check_appid(self, body: Mapping[str, object]) -> None:
        appid = body.get("component_appid")
        if not appid:
            raise Refusal(41018)
        if appid == self._account:
            raise Refusal(61011)
        if appid != self.appid:
            raise Refusal(40013)

    def _check_token(self, token: str) -> None:
        try:
            kind = self._issuer.check(token)
        except Refusal as refusal:
            if refusal.errcode == _EXPIRED:
                raise Refusal(self._choices.component_token_expired) from None
            raise
        if kind != "component":
            raise Refusal(61014)


def _text(body: Mapping[str, object], name: str) -> str:
    """Return a field that is text, or "" if it is missing or anything else."""
    value = body.get(name)
    return value if isinstance(value, str) else ""
