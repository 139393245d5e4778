"""Sends with a token, and once more with another one if WeChat refused it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from wxcv.errors import TokenRejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.tokens.credential import Credential
    from wxcv.tokens.manager import TokenManager

T = TypeVar("T")


async def send_with_refresh(
    tokens: TokenManager,
    credential: Credential,
    get_token: Callable[[], Awaitable[str]],
    send: Callable[[str], Awaitable[T]],
) -> T:
    """Send, and repeat once with a new token if WeChat refused the first one.

    Args:
        tokens: drops every token that WeChat refuses.
        credential: the credential whose tokens they are.
        get_token: returns a valid token.
        send: sends with the token, and returns the answer.
    """
    token = await get_token()
    try:
        return await send(token)
    except TokenRejectedError as error:
        tokens.invalidate(credential, token, error)
        if not error.is_refreshable:
            raise
    token = await get_token()
    try:
        return await send(token)
    except TokenRejectedError as error:
        tokens.invalidate(credential, token, error)
        raise
