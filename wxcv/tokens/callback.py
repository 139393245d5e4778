"""CallbackCredential: tokens from a function of the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wxcv.errors import TokenSourceError
from wxcv.masking import class_name, function_name
from wxcv.tokens import validators
from wxcv.tokens.access_token import AccessToken, find_fault, read_life
from wxcv.tokens.credential import CallFunction
from wxcv.tokens.unshared import UnsharedCredential

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.tokens.credential import RefreshRequest, Steps


@attrs.frozen
class CallbackCredential(UnsharedCredential):
    """A token source of your own, such as a token service.

    Args:
        function: an async function with one parameter, the token that WeChat refused last, or None. It
            returns an AccessToken of at most 2,048 characters; an ``expires_in`` above 7,200 s is cut to
            that, and ``kind`` is replaced by "callback". It is called once for all callers, when there is no
            valid token or the current one is about to expire. A retryable WxcvError other than
            RateLimitedError and StoreError is retried, three calls in all; other WxcvErrors are raised
            unchanged; any other exception becomes a TokenSourceError, which names its class and line and
            stops a batch. All calls together have 10 s, then ConnectError is raised. Returning the refused
            token again raises TokenRejectedError.
        account: the appid whose tokens it returns, or None if unknown.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it.
    """

    function: Callable[[str | None], Awaitable[AccessToken]] = attrs.field(
        repr=False, validator=validators.validate_callable
    )

    @property
    def kind(self) -> str:
        """``"callback"``."""
        return "callback"

    def refresh(self, request: RefreshRequest) -> Steps:
        """Call the function and check what it returns."""
        token = yield CallFunction(self.function, (request.refused,))
        name, reason = function_name(self.function), class_name(token)
        if not isinstance(token, AccessToken):
            raise TokenSourceError(f"{name} must return an AccessToken, not {reason}", reason=reason)
        life = read_life(token.expires_in)
        fault = find_fault(token.value, life, "value")
        if fault:
            raise TokenSourceError(f"{name} returned an unusable AccessToken: {fault}")
        return AccessToken(token.value, life, self.kind)
