"""UnsharedCredential: the base class of credentials whose token each process has for itself."""

from __future__ import annotations

import secrets

import attrs

from wxcv.tokens import validators
from wxcv.tokens.credential import Credential


@attrs.frozen
class UnsharedCredential(Credential):
    """A credential whose token comes from the program itself, so that no store is asked for it.

    Args:
        account: the appid whose token it is, or None if unknown.
    """

    account: str | None = attrs.field(
        default=None, kw_only=True, validator=validators.validate_optional_token_text
    )
    _id: str = attrs.field(init=False, repr=False, factory=lambda: secrets.token_hex(8))

    @property
    def key(self) -> str:
        """The kind and a random string, as two objects of one account may have different tokens."""
        return f"{self.kind}:{self._id}"

    @property
    def is_shared(self) -> bool:
        """False: every process already has the token, or a function that returns it."""
        return False
