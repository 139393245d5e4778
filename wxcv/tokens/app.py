"""AppCredential: an official account or mini program with its own AppSecret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wxcv.protocol.answers import decode
from wxcv.protocol.requests import Request, build_json_request
from wxcv.tokens import validators
from wxcv.tokens.access_token import read_access_token
from wxcv.tokens.credential import Credential

if TYPE_CHECKING:
    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class AppCredential(Credential):
    """An official account or mini program with its own AppSecret.

    Args:
        appid: the account's appid; not empty, ASCII, no white space, at most 2,048 characters.
        secret: the AppSecret; not empty, ASCII, no white space, at most 2,048 characters. For servers only:
            never ship it to a front end.
        stable: True uses ``/cgi-bin/stable_token``, which returns the same token to every process. False uses
            the classic ``/cgi-bin/token``, where every new token invalidates the previous one; with more than
            one process it needs a TokenCache with a Store.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it and never shows its value.

    Sources: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
    and https://developers.weixin.qq.com/doc/subscription/api/base/api_getaccesstoken.html
    """

    appid: str = attrs.field(validator=validators.validate_token_text)
    secret: str = attrs.field(repr=False, validator=validators.validate_token_text)
    stable: bool = attrs.field(default=True, kw_only=True, validator=validators.validate_boolean)

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
        """True for the stable kind, which has ``force_refresh``; every classic token is a new one anyway."""
        return self.stable

    @property
    def supersedes_previous(self) -> bool:
        """True for the classic kind, whose new tokens invalidate the previous one."""
        return not self.stable

    @property
    def secrets(self) -> tuple[str, ...]:
        """The AppSecret."""
        return (self.secret,)

    def refresh(self, request: RefreshRequest) -> Steps:
        """Fetch a token; see ``Credential.refresh``."""
        fields = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        if self.stable:
            response = yield build_json_request(
                "/cgi-bin/stable_token", {**fields, "force_refresh": request.force}
            )
        else:
            response = yield Request("GET", "/cgi-bin/token", tuple(fields.items()))
        return read_access_token(
            decode(response, known=self.secrets, is_token_answer=True, is_app_secret_request=True), self.kind
        )
