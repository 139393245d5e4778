"""Credential, the base of all kinds of accounts, and what refreshing its token takes, as values.

A refresh is a generator: it yields what it needs (a Request to send, a file to read, a function to call),
receives the reply, and returns the token. So it is tested without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from wxcv.protocol.requests import Request
from wxcv.tokens.access_token import AccessToken

if TYPE_CHECKING:
    from wxcv.errors import WxcvError
    from wxcv.protocol.answers import Response

BASE_URL = "https://api.weixin.qq.com"


class RefreshRequest(NamedTuple):
    """What a refresh is told.

    Attributes:
        force: demand a new token, where the kind can.
        refused: the token that WeChat refused last, or None.
    """

    force: bool = False
    refused: str | None = None

    def __repr__(self) -> str:
        return "<RefreshRequest with a secret>"


class GetToken(NamedTuple):
    """A step: get the token of another credential. The reply is its value."""

    credential: Credential


class InvalidateToken(NamedTuple):
    """A step: report that another credential's token was refused. No reply."""

    credential: Credential
    token: str
    error: WxcvError

    def __repr__(self) -> str:
        return "<InvalidateToken with a secret>"


class ReadFile(NamedTuple):
    """A step: read a file. The reply is its bytes, or an OSError."""

    path: str


class CallFunction(NamedTuple):
    """A step: call a caller's function, sync or async. The reply is what it returned."""

    function: Callable[..., Any]
    arguments: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        return "<CallFunction with a secret>"


class LoadRefreshToken(NamedTuple):
    """A step: look up the newest refresh token of the account. The reply is the refresh token, or None."""


class SaveRefreshToken(NamedTuple):
    """A step: save the account's newest refresh token, and pass it to the function if it is new. No reply.

    Attributes:
        refresh_token: the newest.
        given: the one that the caller's credential was made with.
        function: sync or async, or None.
    """

    refresh_token: str
    given: str
    function: Callable[[str], object] | None

    def __repr__(self) -> str:
        return "<SaveRefreshToken with a secret>"


Step = Request | GetToken | InvalidateToken | ReadFile | CallFunction | LoadRefreshToken | SaveRefreshToken
Steps = Generator[Step, Any, AccessToken]


class Credential:
    """An account, and how its calls are authorised: the base of all kinds.

    It cannot be subclassed by programs; a token source of your own is a CallbackCredential. Credentials hold
    secrets: their repr hides them, and they refuse to be pickled.
    """

    token_parameter: ClassVar[str] = "access_token"
    """The query parameter that carries the token; "" for a kind without tokens."""
    base_url: ClassVar[str] = BASE_URL
    """Where its calls go if a Session is not told otherwise."""
    may_use_http: ClassVar[bool] = False
    """Whether plain http needs no permission."""

    def __init_subclass__(cls) -> None:
        if cls.__module__.partition(".")[0] != "wxcv":
            raise TypeError("Credential cannot be subclassed; CallbackCredential takes a function of yours")

    @property
    def kind(self) -> str:
        """A word for the kind of account, such as "stable"."""
        raise NotImplementedError

    @property
    def account(self) -> str | None:
        """The appid whose quota the calls spend, or None if it is not known."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Kind and account, or kind and a random word: the key under which the token is cached. Not secret."""
        return f"{self.kind}:{self.account}"

    @property
    def can_force(self) -> bool:
        """Whether a new token can be demanded when the refused one is handed out again."""
        return False

    @property
    def is_shared(self) -> bool:
        """Whether a token is worth sharing between processes."""
        return True

    @property
    def supersedes_previous(self) -> bool:
        """Whether a new token ends the previous one, so that only one process may refresh."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is masked wherever a server repeats it, besides the tokens."""
        return ()

    @property
    def issuer(self) -> Credential | None:
        """The account whose token is needed to fetch a token of this one, or None."""
        return None

    def refresh(self, request: RefreshRequest) -> Steps:
        """Get a new token, as a generator of steps.

        Raises (while it runs):
            WxcvError: WeChat refused, or its answer cannot be used.
        """
        raise NotImplementedError

    def check(self, response: Response) -> None:
        """Look at the answer of a call before it is decoded; raise a WxcvError if it is not WeChat's."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and is not pickled; make it where it is used"
        )
