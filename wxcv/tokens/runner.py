"""RefreshRunner: executes the steps that a credential's refresh yields."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar

from wxcv import nesting
from wxcv.callbacks import CallbackError, call_back
from wxcv.errors import StoreError, TokenSourceError, WxcvError
from wxcv.masking import function_name, short_name
from wxcv.protocol.requests import Request
from wxcv.regular_files import read_regular
from wxcv.stores.base import FORCED_PAUSE, FORCED_PER_DAY
from wxcv.tokens.credential import (
    CallFunction,
    GetToken,
    InvalidateToken,
    LoadRefreshTokens,
    ReadFile,
    RefreshRequest,
    SaveRefreshToken,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.clock import Clock
    from wxcv.protocol.answers import Response
    from wxcv.stores.base import TokenStore
    from wxcv.tokens.access_token import AccessToken
    from wxcv.tokens.credential import Credential, Step

    Send = Callable[[Request], Awaitable[Response]]

T = TypeVar("T")

logger = logging.getLogger("wxcv")

_SAVE_SECONDS = 5.0
"""Seconds for a function of the caller's that saves a refresh token: half of a refresh's deadline."""

_FILE_LIMIT = 64 * 1024
_DAY = 86_400.0


class RefreshState:
    """What the refreshes of one TokenManager share.

    Attributes:
        clock: the source of time.
        store: the shared store, or None.
        get: returns another credential's token.
        invalidate: drops another credential's token.
        secrets: returns what must not be shown of an account.
        jitter: seconds by which this process refreshes later than others, so that not all do at once.
        refresh_tokens: by key, the newest refresh token and the one last passed to the caller's function;
            never evicted.
        unstored: the keys of the refresh tokens that could not be written to the store.
        forced: by key, the times of the last forced refreshes.
        saving: the running calls of callers' functions that save a refresh token; they outlast a cancelled
            refresh.
    """

    def __init__(
        self,
        clock: Clock,
        store: TokenStore | None,
        get: Callable[[Credential, Send], Awaitable[str]],
        invalidate: Callable[[Credential, str, WxcvError], None],
        secrets: Callable[[Credential], tuple[str, ...]],
    ) -> None:
        self.clock = clock
        self.store = store
        self.get = get
        self.invalidate = invalidate
        self.secrets = secrets
        self.jitter = random.uniform(10.0, 60.0)
        self.refresh_tokens: dict[str, tuple[str, str]] = {}
        self.unstored: set[str] = set()
        self.forced: dict[str, list[float]] = {}
        self.saving: set[asyncio.Task[Any]] = set()

    def claim_forced_refresh(self, key: str) -> bool:
        """Record a forced refresh and return True, unless it is too soon or there were too many.

        Too soon is less than 30 s after the last one; too many is 10 within 24 hours.
        """
        now = self.clock.monotonic()
        times = [at for at in self.forced.get(key, []) if now - at < _DAY]
        if len(times) >= FORCED_PER_DAY or (times and now - times[-1] < FORCED_PAUSE):
            return False
        self.forced[key] = [*times, now]
        return True

    def undo_forced_refresh(self, key: str) -> None:
        """Forget the last forced refresh, of which nothing was sent."""
        self.forced[key].pop()


class RefreshRunner:
    """Executes the steps of one refresh."""

    def __init__(
        self, shared_state: RefreshState, credential: Credential, send: Send, store: TokenStore | None
    ) -> None:
        self.shared_state = shared_state
        self.credential = credential
        self.send = send
        self.store = store
        self._known: tuple[str, ...] = ()  # secrets that came up in this refresh

    async def run(self, request: RefreshRequest) -> AccessToken:
        """Execute every step that the credential's refresh yields, until it returns the token."""
        steps = self.credential.refresh(request)
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._execute(step))
        except StopIteration as done:
            token: AccessToken = done.value
            return token

    async def _execute(self, step: Step) -> object:  # noqa: PLR0911 - one return per step
        """Execute one step and return the reply."""
        match step:
            case Request():
                response = await self.send(step)
                known = (*response.known, *self._known, *self.shared_state.secrets(self.credential))
                return response._replace(known=known)
            case GetToken(credential):
                return self._remember(await self.shared_state.get(credential, self.send))
            case InvalidateToken(credential, token, error):
                self.shared_state.invalidate(credential, token, error)
                return None
            case ReadFile(path):
                return await asyncio.to_thread(_read_file, path)
            case CallFunction(function, arguments):
                return self._remember(await _call_token_function(function, arguments))
            case LoadRefreshTokens():
                return await self._load_refresh_tokens()
        await self._save_refresh_token(step)
        return None

    def _remember(self, reply: T) -> T:
        """Return a reply, and remember that it must not be shown."""
        if isinstance(reply, str):
            self._known += (reply,)
        return reply

    async def _load_refresh_tokens(self) -> tuple[str, ...]:
        """Return the store's refresh token and our own; our own first if the store could not take it."""
        key = self.credential.key
        own = self.shared_state.refresh_tokens.get(key, ())[:1]
        stored = await self.store.load_refresh_token(key) if self.store is not None else None
        shared = (stored,) if stored else ()
        self._known += own + shared
        return own + shared if key in self.shared_state.unstored else shared + own

    async def _save_refresh_token(self, step: SaveRefreshToken) -> None:
        """Keep the refresh token in memory, save it in the store and pass it to the caller's function."""
        key, known, refresh_token = self.credential.key, self.shared_state.refresh_tokens, step.refresh_token
        newest, passed_on = known.get(key, (None, step.given))
        known[key] = (refresh_token, passed_on)
        if self.store is not None and (refresh_token != newest or key in self.shared_state.unstored):
            await self._store_refresh_token(self.store, refresh_token)
        if step.function is None or refresh_token == passed_on:
            return
        passing = self._pass_to_caller(step.function, refresh_token)
        saving = asyncio.create_task(passing, name="wxcv refresh token")
        self.shared_state.saving.add(saving)
        saving.add_done_callback(self.shared_state.saving.discard)
        await asyncio.shield(saving)

    async def _store_refresh_token(self, store: TokenStore, refresh_token: str) -> None:
        """Save it in the store; if that fails, it is saved again at the next refresh."""
        key, unstored = self.credential.key, self.shared_state.unstored
        unstored.add(key)
        try:
            await store.save_refresh_token(key, refresh_token)
        except StoreError as error:
            logger.warning("%s: %s; the new refresh token was not stored", short_name(key), error)
        else:
            unstored.discard(key)

    async def _pass_to_caller(self, function: Callable[[str], object], refresh_token: str) -> None:
        """Call the caller's function; if it fails, it is called again at the next refresh."""
        key = self.credential.key
        nesting.enter(asyncio.current_task())
        try:
            async with self.shared_state.clock.timeout(_SAVE_SECONDS):
                await call_back(function, refresh_token)
        except TimeoutError:
            fault = f"it did not finish within {_SAVE_SECONDS:g} s"
        except CallbackError as error:
            fault = f"it raised {error}"
        else:
            newest, _ = self.shared_state.refresh_tokens[key]  # a later refresh may have got another one
            self.shared_state.refresh_tokens[key] = (newest, refresh_token)
            return
        logger.error(
            "%s: %s did not save the new refresh token: %s", short_name(key), function_name(function), fault
        )


async def _call_token_function(function: Callable[..., Any], arguments: tuple[str | None, ...]) -> object:
    try:
        return await call_back(function, *arguments, passing=(WxcvError,))
    except CallbackError as error:
        failure = error
    raise TokenSourceError(
        f"{function_name(function)} raised {failure}", reason=failure.reason, location=failure.location
    )


def _read_file(path: str) -> bytes | OSError:
    try:
        return read_regular(path, _FILE_LIMIT)
    except OSError as error:
        return error
