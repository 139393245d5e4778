"""Credentials for services in WeChat's cloud hosting, without I/O: a token from a mounted file, or none."""

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
_FILE_LIFE = 60.0  # cloud hosting replaces the file every 10 minutes, at times that it does not announce


def _path(_credential: object, field: attrs.Attribute[str], value: object) -> None:
    checks.check_text(field.name, value)


@attrs.frozen
class CloudCredential(Credential):
    """A service in WeChat's cloud hosting whose token is in a mounted file.

    While calls are made, the file is read again every 36 to 60 s, and after a refusal. If it cannot be read
    or holds no token, calls raise ConnectError, which names the file; it is tried again after 5 s, doubling
    up to 60 s.

    Args:
        path: the path of the file.
        account: the appid of the service, or None if unknown.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it.

    Source: https://developers.weixin.qq.com/minigame/dev/wxcloud/guide/container/cloudcall.html
    """

    path: str = attrs.field(default="/.tencentcloudbase/wx/cloudbase_access_token", validator=_path)
    account: str | None = attrs.field(
        default=None, kw_only=True, validator=validators.validate_optional_token_text
    )

    token_parameter: ClassVar[str] = "cloudbase_access_token"

    @property
    def kind(self) -> str:
        """``"cloud"``."""
        return "cloud"

    @property
    def key(self) -> str:
        """The kind and the path of the file."""
        return f"{self.kind}:{self.path}"

    @property
    def is_shared(self) -> bool:
        """False: every instance of the service has a file of its own."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Read the file."""
        content = yield ReadFile(self.path)
        if isinstance(content, OSError):
            raise ConnectError(
                f"the token file {short_name(self.path)} cannot be read ({content.strerror}); check that "
                "this runs in cloud hosting, and that the open interface service was enabled before this "
                "version was built",
                reason=class_name(content),
                errno=content.errno,
            )
        token = content.strip().decode("ascii", "replace")
        try:
            return read_access_token({"access_token": token, "expires_in": _FILE_LIFE}, self.kind)
        except ProtocolError as error:  # the file may be in the middle of being written
            reason = type(error).__name__
        raise ConnectError(f"the token file {short_name(self.path)} holds no token", reason=reason)


@attrs.frozen
class CloudRelayCredential(Credential):
    """A service in WeChat's cloud hosting whose calls are authorised by its sidecar, without any token.

    Calls use plain HTTP to api.weixin.qq.com, as the sidecar requires, unless the Session has another
    base_url.

    Args:
        account: the appid of the service, or None if unknown.

    Source: https://developers.weixin.qq.com/miniprogram/dev/wxcloudrun/src/guide/weixin/open.html
    """

    account: str | None = attrs.field(
        default=None, kw_only=True, validator=validators.validate_optional_token_text
    )

    token_parameter: ClassVar[str] = ""
    base_url: ClassVar[str] = "http://api.weixin.qq.com"
    may_use_http: ClassVar[bool] = True
    may_use_fallbacks: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """``"relay"``."""
        return "relay"

    @property
    def key(self) -> str:
        """The kind alone, as there are no tokens to distinguish."""
        return self.kind

    @property
    def is_shared(self) -> bool:
        """False: there is no token to share."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Return a token that is never sent."""
        yield from ()
        return AccessToken("", LONGEST_LIFE, self.kind)

    def check(self, response: Response) -> None:
        """Raise if the relay did not forward the call.

        Raises:
            ProtocolError: the call bypassed the relay, or the relay did not forward it; not retryable.
        """
        if "x-openapi-seqid" not in response.headers:
            fault = (
                "the call was not relayed by cloud hosting (no x-openapi-seqid header); enable the open "
                "interface service, then build a new version, and keep base_url at plain http"
            )
        elif response.status == _BAD_GATEWAY:
            fault = (
                "cloud hosting did not forward the call; add its path to the open interface service's "
                "allow-list"
            )
        else:
            return
        error = ProtocolError(f"{fault} (HTTP status {response.status})", status=response.status)
        error.retryable = False
        raise error
