"""A token service of the caller's own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import attrs

from wxcv.errors import TokenSourceError
from wxcv.masking import class_name, function_name
from wxcv.tokens import validators
from wxcv.tokens.access_token import AccessToken, find_fault, read_life
from wxcv.tokens.credential import CallFunction, Credential

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class CallbackCredential(Credential):
    """A token source of the caller's own, such as a token service.

    Args:
        function: an async function of one argument, the token that WeChat refused, or None; it returns an
            AccessToken of at most 2,048 characters, and another one than the refused. It is called once for
            all callers together, when no token is valid or its end is near. What it raises becomes a
            TokenSourceError, which names the class and the line and ends a batch; a WxcvError is passed on as
            it is, and after one that is retryable the function is called again, up to three times in all.
        account: the appid whose tokens it returns, if it is known.
    """

    function: Callable[[str | None], Awaitable[AccessToken]] = attrs.field(
        repr=False, validator=validators.function
    )
    account: str | None = attrs.field(default=None, kw_only=True, validator=validators.optional_plain)
    _id: str = attrs.field(init=False, repr=False, factory=lambda: secrets.token_hex(8))

    @property
    def kind(self) -> str:
        """``"callback"``."""
        return "callback"

    @property
    def key(self) -> str:
        """Kind and a random word, as each object has its own function."""
        return f"{self.kind}:{self._id}"

    @property
    def is_shared(self) -> bool:
        """False: the token source is what processes share."""
        return False

    def refresh(self, request: RefreshRequest) -> Steps:
        """Call the function and check what it returns."""
        token = yield CallFunction(self.function, (request.refused,))
        name, reason = function_name(self.function), class_name(token)
        if not isinstance(token, AccessToken):
            raise TokenSourceError(f"{name} must return an AccessToken, not {reason}", reason=reason)
        life = read_life(token.expires_in)
        fault = find_fault(token.value, life, "value")
        if fault:
            raise TokenSourceError(f"{name} returned an AccessToken that cannot be used: {fault}")
        return AccessToken(token.value, life, self.kind)
