"""StaticTokenCredential: a token that was fetched by another program."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import attrs

from wxcv.tokens import validators
from wxcv.tokens.access_token import LONGEST_LIFE, AccessToken
from wxcv.tokens.credential import Credential

if TYPE_CHECKING:
    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class StaticTokenCredential(Credential):
    """A token that was fetched by another program; it is used until WeChat refuses it.

    After a refusal every call raises TokenRejectedError, and nothing is sent.

    Args:
        token: the access_token; not empty, ASCII, no white space, at most 2,048 characters.
        account: the appid whose token it is, or None if unknown.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it and never shows its value.
    """

    token: str = attrs.field(repr=False, validator=validators.validate_token_text)
    account: str | None = attrs.field(
        default=None, kw_only=True, validator=validators.validate_optional_token_text
    )
    _id: str = attrs.field(init=False, repr=False, factory=lambda: secrets.token_hex(8))

    @property
    def kind(self) -> str:
        """``"static"``."""
        return "static"

    @property
    def key(self) -> str:
        """The kind and a random string, as each object has its own token."""
        return f"{self.kind}:{self._id}"

    @property
    def is_shared(self) -> bool:
        """False: every process already has the token."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Return the token, with the longest lifetime, as its own is unknown."""
        yield from ()
        return AccessToken(self.token, LONGEST_LIFE, self.kind)
