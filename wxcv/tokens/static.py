"""StaticTokenCredential: a token that was fetched by another program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wxcv.tokens import validators
from wxcv.tokens.access_token import LONGEST_LIFE, AccessToken
from wxcv.tokens.unshared import UnsharedCredential

if TYPE_CHECKING:
    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class StaticTokenCredential(UnsharedCredential):
    """A token that was fetched by another program; it is used until WeChat refuses it.

    After a refusal every call raises TokenRejectedError, and nothing is sent.

    Args:
        token: the access_token; not empty, ASCII, no white space, at most 2,048 characters.
        account: the appid whose token it is, or None if unknown.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it and never shows its value.
    """

    token: str = attrs.field(repr=False, validator=validators.validate_token_text)

    @property
    def kind(self) -> str:
        """``"static"``."""
        return "static"

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Return the token, with the longest lifetime, as its own is unknown."""
        yield from ()
        return AccessToken(self.token, LONGEST_LIFE, self.kind)
