"""Official accounts and mini programs with an AppSecret of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wxcv.protocol.answers import decode
from wxcv.protocol.requests import Request, json_request
from wxcv.tokens import validators
from wxcv.tokens.access_token import read_access_token
from wxcv.tokens.credential import Credential

if TYPE_CHECKING:
    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class AppCredential(Credential):
    """An official account or mini program with its own AppSecret.

    Args:
        appid: not empty, ASCII, no white space.
        secret: the AppSecret; the same. For servers only: never ship it to a front end.
        stable: use ``/cgi-bin/stable_token``, where every process gets the same token. False uses the
            classic ``/cgi-bin/token``, where every new token ends the previous one: with more than one
            process it needs a TokenCache with a Store.

    Raises:
        ValueError, TypeError: naming the field, never its value.

    Pages: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
    and https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html
    """

    appid: str = attrs.field(validator=validators.plain)
    secret: str = attrs.field(repr=False, validator=validators.plain)
    stable: bool = attrs.field(default=True, kw_only=True, validator=validators.flag)

    @property
    def kind(self) -> str:
        """``"stable"`` or ``"classic"``."""
        return "stable" if self.stable else "classic"

    @property
    def account(self) -> str:
        """The appid."""
        return self.appid

    @property
    def can_force(self) -> bool:
        """The stable kind knows ``force_refresh``; a classic answer is always a new token."""
        return self.stable

    @property
    def supersedes_previous(self) -> bool:
        """A new classic token ends the previous one; a stable token is the same for every process."""
        return not self.stable

    @property
    def secrets(self) -> tuple[str, ...]:
        """The AppSecret."""
        return (self.secret,)

    def refresh(self, request: RefreshRequest) -> Steps:
        """Fetch a token; see ``Credential.refresh``."""
        fields = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        if self.stable:
            response = yield json_request("/cgi-bin/stable_token", {**fields, "force_refresh": request.force})
        else:
            response = yield Request("GET", "/cgi-bin/token", tuple(fields.items()))
        return read_access_token(
            decode(response, known=self.secrets, is_token_answer=True, is_own=True), self.kind
        )
