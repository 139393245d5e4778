"""Services in WeChat's cloud hosting: a token from a mounted file, or none at all, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from wxcv import checks
from wxcv.errors import ConnectError, ProtocolError
from wxcv.masking import class_name, short_name
from wxcv.tokens import validators
from wxcv.tokens.access_token import LONGEST_LIFE, AccessToken, read_access_token
from wxcv.tokens.credential import Credential, ReadFile, RefreshRequest, Steps

if TYPE_CHECKING:
    from wxcv.protocol.answers import Response

_BAD_GATEWAY = 502
_FILE_LIFE = 60.0  # the file is replaced every 10 minutes, and does not say when it was


def _path(_credential: object, field: attrs.Attribute[str], value: object) -> None:
    checks.text(field.name, value)


@attrs.frozen
class CloudCredential(Credential):
    """A service in WeChat's cloud hosting, which finds its token in a mounted file.

    The file is read again every minute at most, and after a refusal. One that cannot be read, or holds no
    token, is a ConnectError that names it; it is read again after a few seconds.

    Args:
        path: of the file.
        account: the appid of the service, if it is known.

    Page: https://developers.weixin.qq.com/minigame/dev/wxcloud/guide/container/cloudcall.html
    """

    path: str = attrs.field(default="/.tencentcloudbase/wx/cloudbase_access_token", validator=_path)
    account: str | None = attrs.field(default=None, kw_only=True, validator=validators.optional_plain)

    token_parameter: ClassVar[str] = "cloudbase_access_token"

    @property
    def kind(self) -> str:
        """``"cloud"``."""
        return "cloud"

    @property
    def key(self) -> str:
        """Kind and the path of the file."""
        return f"{self.kind}:{self.path}"

    @property
    def is_shared(self) -> bool:
        """Every instance has its own file."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Read the file."""
        content = yield ReadFile(self.path)
        if isinstance(content, OSError):
            raise ConnectError(
                f"the token file {short_name(self.path)} cannot be read ({content.strerror}); does this run "
                "in cloud hosting, with the open interface service switched on and built since?",
                reason=class_name(content),
                errno=content.errno,
            )
        token = content.strip().decode("ascii", "replace")
        try:
            return read_access_token({"access_token": token, "expires_in": _FILE_LIFE}, self.kind)
        except ProtocolError as error:  # perhaps it is being written
            reason = type(error).__name__
        raise ConnectError(f"the token file {short_name(self.path)} holds no token", reason=reason)


@attrs.frozen
class CloudRelayCredential(Credential):
    """A service in WeChat's cloud hosting whose calls are authorised by its sidecar: no token at all.

    Calls go by plain http to api.weixin.qq.com, unless a Session is given another base_url.

    Args:
        account: the appid of the service, if it is known.

    Page: https://developers.weixin.qq.com/miniprogram/dev/wxcloudrun/src/guide/weixin/open.html
    """

    account: str | None = attrs.field(default=None, kw_only=True, validator=validators.optional_plain)

    token_parameter: ClassVar[str] = ""
    base_url: ClassVar[str] = "http://api.weixin.qq.com"
    may_use_http: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """``"relay"``."""
        return "relay"

    @property
    def key(self) -> str:
        """The kind, as there is no token to tell apart."""
        return self.kind

    @property
    def is_shared(self) -> bool:
        """There is nothing to share."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Return a token that is never sent."""
        yield from ()
        return AccessToken("", LONGEST_LIFE, self.kind)

    def check(self, response: Response) -> None:
        """Refuse what the sidecar did not relay, or relayed nowhere.

        Raises:
            ProtocolError: with the remedy; not retryable.
        """
        if "x-openapi-seqid" not in response.headers:
            fault = (
                "the call was not relayed by cloud hosting (no x-openapi-seqid); switch the open interface "
                "service on, build a new version after that, and keep base_url at plain http"
            )
        elif response.status == _BAD_GATEWAY:
            fault = "cloud hosting relayed the call nowhere; put its path on the open interface's allow-list"
        else:
            return
        error = ProtocolError(f"{fault} (HTTP status {response.status})", status=response.status)
        error.retryable = False
        raise error
