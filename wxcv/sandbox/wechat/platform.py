"""The third-party platform: tickets from WeChat, merchants that authorised it, and tokens for both.

Pages: https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/ticket-token/getComponentAccessToken.html,
https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/ticket-token/getAuthorizerAccessToken.html
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.tokens import TokenIssuer

TICKET_LIFE = 12 * 3600
"""Seconds that a ticket is good, from when it was pushed."""

_EXPIRED = 42001


@dataclass(slots=True)
class Merchant:
    """An account that authorised the platform: its refresh token, and earlier ones that still work."""

    refresh_token: str
    earlier: set[str] = field(default_factory=set)


class Platform:
    """The platform of a sandbox, with an appid and a secret that are made up.

    Args:
        account: appid of the ordinary account beside it.
        issuer: issues its tokens and those of its merchants.
        clock: returns the Unix time in seconds; tickets age by it.
        choices: what WeChat's pages leave open.
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
        self._merchants: dict[str, Merchant] = {}
        self._tickets: dict[str, float] = {}
        self.push_ticket()

    @property
    def ticket(self) -> str:
        """The newest ticket; setting it pushes another one. Each is good for `TICKET_LIFE` seconds."""
        return self._ticket

    @ticket.setter
    def ticket(self, value: str) -> None:
        self._ticket = value
        self._tickets[value] = self._clock()

    def push_ticket(self) -> str:
        """Push a ticket that is made up, and return it."""
        self.ticket = f"ticket@@@{secrets.token_urlsafe(64)}"
        return self.ticket

    def authorize(self, appid: str) -> str:
        """Let a merchant authorise the platform; returns its refresh token, and those before it end."""
        self._merchants[appid] = Merchant(secrets.token_urlsafe(32))
        return self._merchants[appid].refresh_token

    def component_token(self, body: Mapping[str, object]) -> Fields:
        """Answer api_component_token.

        Raises:
            Refusal: 41018, 40013, 61011 the component_appid is missing, unknown, not a platform's; 61006,
                61005 the component_verify_ticket is unknown, too old; 41004, 40125 the component_appsecret is
                missing, wrong.
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
        """Answer api_authorizer_token, to which the component token came in the query.

        Raises:
            Refusal: 41001, 40001, 61014 or the switch's errcode for the token; 47001 the body is no object;
                41018, 40013, 61011 for the component_appid; 41002 no authorizer_appid, 61003 it did not
                authorise; 61023 the authorizer_refresh_token is not its own. A refresh token stays as it was.
        """
        self._check_token(token)
        if body is None:
            raise Refusal(47001)
        self._check_appid(body)
        appid, merchant = self._merchant(body)
        sent = _text(body, "authorizer_refresh_token")
        if sent != merchant.refresh_token and sent not in merchant.earlier:
            raise Refusal(61023)
        self._rotate(merchant)
        granted = self._issuer.grant("authorizer", appid)
        return {**granted, "authorizer_refresh_token": merchant.refresh_token}

    def _merchant(self, body: Mapping[str, object]) -> tuple[str, Merchant]:
        appid = _text(body, "authorizer_appid")
        merchant = self._merchants.get(appid)
        if merchant is None:
            raise Refusal(61003 if body.get("authorizer_appid") else 41002)
        return appid, merchant

    def _rotate(self, merchant: Merchant) -> None:
        if not self._choices.refresh_token_rotates:
            return
        if self._choices.old_refresh_token_works:
            merchant.earlier.add(merchant.refresh_token)
        merchant.refresh_token = secrets.token_urlsafe(32)

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
    """Return a field that is text; anything else is like no text at all."""
    value = body.get(name)
    return value if isinstance(value, str) else ""
