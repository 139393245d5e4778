"""Credential, the base class of all credentials, and the steps of a refresh as values.

A refresh is a generator: it yields steps (send a Request, read a file, call a function), receives the reply
to each, and returns the token. It does no I/O itself, so that it can be tested without any.
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
    """The arguments of a refresh.

    Attributes:
        force: whether to demand a new token, if the kind of credential supports it.
        refused: the token that WeChat refused last, or None.
    """

    force: bool = False
    refused: str | None = None

    def __repr__(self) -> str:
        return "<RefreshRequest with a secret>"


class GetToken(NamedTuple):
    """A step: get the token of another credential. The reply is the token's value."""

    credential: Credential


class InvalidateToken(NamedTuple):
    """A step: report that another credential's token was refused. No reply."""

    credential: Credential
    token: str
    error: WxcvError

    def __repr__(self) -> str:
        return "<InvalidateToken with a secret>"


class ReadFile(NamedTuple):
    """A step: read a file. The reply is its content, or an OSError."""

    path: str


class CallFunction(NamedTuple):
    """A step: call a caller's function, sync or async. The reply is what it returned."""

    function: Callable[..., Any]
    arguments: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        return "<CallFunction with a secret>"


class LoadRefreshTokens(NamedTuple):
    """A step: look up the account's refresh tokens. The reply is a tuple of them, the newest first."""


class SaveRefreshToken(NamedTuple):
    """A step: save the account's newest refresh token, and pass it to the function if it is new. No reply.

    Attributes:
        refresh_token: the newest refresh token.
        given: the refresh token with which the caller made the credential.
        function: the caller's function, sync or async, or None.
    """

    refresh_token: str
    given: str
    function: Callable[[str], object] | None

    def __repr__(self) -> str:
        return "<SaveRefreshToken with a secret>"


Step = Request | GetToken | InvalidateToken | ReadFile | CallFunction | LoadRefreshTokens | SaveRefreshToken
Steps = Generator[Step, Any, AccessToken]


class Credential:
    """Base class of all credentials: an account, and how its calls are authorised.

    It cannot be subclassed outside wxcv; use a CallbackCredential for a token source of your own. Credentials
    hold secrets: their repr hides them, and they cannot be pickled.
    """

    token_parameter: ClassVar[str] = "access_token"
    """The query parameter that carries the token, or "" for a kind without tokens."""
    base_url: ClassVar[str] = BASE_URL
    """The base URL of its calls, unless the Session has another one."""
    may_use_http: ClassVar[bool] = False
    """Whether plain HTTP is allowed without ``allow_http=True``."""
    may_use_fallbacks: ClassVar[bool] = True
    """Whether its calls may go to the session's ``fallback_urls``."""

    def __init_subclass__(cls) -> None:
        if cls.__module__.partition(".")[0] != "wxcv":
            raise TypeError("Credential cannot be subclassed; CallbackCredential takes a function of yours")

    @property
    def kind(self) -> str:
        """The kind of credential, such as "stable"; see ``AccessToken.kind``."""
        raise NotImplementedError

    @property
    def account(self) -> str | None:
        """The appid whose quota the calls use, or None if unknown."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The key under which the token is cached; it holds no secret.

        It begins with the kind; what follows distinguishes accounts, files or objects.
        """
        return f"{self.kind}:{self.account}"

    @property
    def can_force(self) -> bool:
        """Whether WeChat can be forced to issue a new token when it returns a refused one again."""
        return False

    @property
    def is_shared(self) -> bool:
        """Whether processes share its token through a Store."""
        return True

    @property
    def supersedes_previous(self) -> bool:
        """Whether a new token invalidates the previous one, so that one process at a time may refresh."""
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
        """Return a generator of the steps of a refresh, whose return value is the new token.

        Raises (while the generator runs):
            WxcvError: WeChat refused, or its response is unusable.
        """
        raise NotImplementedError

    def check(self, response: Response) -> None:
        """Check the response to a call before it is decoded; raise a WxcvError if it is not WeChat's."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and cannot be pickled; construct it where it is used"
        )
