"""What a credential wants done for a token, as values.

A renewal is a generator: it yields what it wants done (a Request to be sent, a file to be read, a function to
be called), is sent what came of it, and returns the token. So it is tested without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.models import AccessToken
from wxcv.requests import Request

if TYPE_CHECKING:
    from wxcv.credentials import Credential
    from wxcv.errors import WxcvError


class Asked(NamedTuple):
    """What a renewal is told.

    Attributes:
        force: demand a new token, where the kind can.
        refused: the token that WeChat refused last, or None.
    """

    force: bool = False
    refused: str | None = None

    def __repr__(self) -> str:
        return "<Asked with a secret>"


class TokenOf(NamedTuple):
    """A step: have the token of another credential. The reply is its value."""

    credential: Credential


class Refuse(NamedTuple):
    """A step: tell that another credential's token was refused. No reply."""

    credential: Credential
    token: str
    error: WxcvError

    def __repr__(self) -> str:
        return "<Refuse with a secret>"


class ReadFile(NamedTuple):
    """A step: read a file. The reply is its bytes, or an OSError."""

    path: str


class Ask(NamedTuple):
    """A step: call a caller's function, sync or async. The reply is what it returned."""

    function: Callable[..., Any]
    arguments: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        return "<Ask with a secret>"


class Newest(NamedTuple):
    """A step: look up the newest refresh token of the account. The reply is it, or None."""


class Keep(NamedTuple):
    """A step: keep the account's newest refresh token, and hand it to the function if it is new. No reply.

    Attributes:
        refresh_token: the newest.
        given: the one that the caller came with.
        function: sync or async, or None.
    """

    refresh_token: str
    given: str
    function: Callable[[str], object] | None

    def __repr__(self) -> str:
        return "<Keep with a secret>"


Step = Request | TokenOf | Refuse | ReadFile | Ask | Newest | Keep
Steps = Generator[Step, Any, AccessToken]
