"""Accounts with their own AppSecret."""

from dataclasses import dataclass, field

from wxcv.sandbox.wechat.answers import Refusal


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account: its appid and AppSecret."""

    appid: str
    secret: str = field(repr=False)

    def check(self, *, grant_type: object, appid: object, secret: object) -> None:
        """Check the parameters of a token request; raise the Refusal for the first wrong one."""
        if grant_type != "client_credential":
            raise Refusal(40002)
        if not appid:
            raise Refusal(41002)
        if appid != self.appid:
            raise Refusal(40013)
        if not secret:
            raise Refusal(41004)
        if secret != self.secret:
            raise Refusal(40125)
