"""Errands: does the I/O that a credential's renewal asks for."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wxcv import nesting
from wxcv.callbacks import CallbackError, call_back
from wxcv.errors import StoreError, TokenSourceError, WxcvError
from wxcv.masking import function_name, short_name
from wxcv.requests import Request
from wxcv.steps import Ask, Asked, Keep, Newest, ReadFile, Refuse, TokenOf
from wxcv.stores import FORCED_A_DAY, FORCED_PAUSE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.answers import Response
    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.models import AccessToken
    from wxcv.steps import Step
    from wxcv.stores import Store

    Send = Callable[[Request], Awaitable[Response]]

T = TypeVar("T")

logger = logging.getLogger("wxcv")

_KEEP_SECONDS = 5.0
"""For a caller's function that keeps a new refresh token: half of what a refresh may take."""

_LONGEST_FILE = 64 * 1024
_DAY = 86_400.0


class Memory:
    """What the renewals of one TokenCache share.

    Attributes:
        clock: where time comes from.
        store: the shared store, or None.
        get: gives another credential's token.
        refuse: drops another credential's token.
        secrets: tells what must not be shown of an account.
        jitter: seconds by which this process renews later than the margin says, as one of many.
        refresh_tokens: by key, the newest refresh token and the one that was handed on last; never evicted.
        forced: by key, the moments of the last forced refreshes.
        keeping: the calls of callers' functions that keep a refresh token; they outlast a cancelled renewal.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store | None,
        get: Callable[[Credential, Send], Awaitable[str]],
        refuse: Callable[[Credential, str, WxcvError], None],
        secrets: Callable[[Credential], tuple[str, ...]],
    ) -> None:
        self.clock = clock
        self.store = store
        self.get = get
        self.refuse = refuse
        self.secrets = secrets
        self.jitter = random.uniform(10.0, 60.0)
        self.refresh_tokens: dict[str, tuple[str, str]] = {}
        self.forced: dict[str, list[float]] = {}
        self.keeping: set[asyncio.Task[Any]] = set()

    def may_force(self, key: str) -> bool:
        """Count a forced refresh, unless it comes too soon or too often."""
        now = self.clock.monotonic()
        times = [at for at in self.forced.get(key, []) if now - at < _DAY]
        if len(times) >= FORCED_A_DAY or (times and now - times[-1] < FORCED_PAUSE):
            return False
        self.forced[key] = [*times, now]
        return True


class Errands:
    """The errands of one renewal."""

    def __init__(self, memory: Memory, credential: Credential, send: Send, store: Store | None) -> None:
        self.memory = memory
        self.credential = credential
        self.send = send
        self.store = store
        self._known: tuple[str, ...] = ()  # secrets that came up in this renewal

    async def drive(self, asked: Asked) -> AccessToken:
        """Do what the credential's renewal yields, until it returns the token."""
        steps = self.credential.renew(asked)
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._do(step))
        except StopIteration as done:
            token: AccessToken = done.value
            return token

    async def _do(self, step: Step) -> object:  # noqa: PLR0911 - one return a step
        """Do what a credential wants done; return the reply."""
        match step:
            case Request():
                response = await self.send(step)
                known = (*response.known, *self._known, *self.memory.secrets(self.credential))
                return response._replace(known=known)
            case TokenOf(credential):
                return self._noted(await self.memory.get(credential, self.send))
            case Refuse(credential, token, error):
                self.memory.refuse(credential, token, error)
                return None
            case ReadFile(path):
                return await asyncio.to_thread(_content, path)
            case Ask(function, arguments):
                return self._noted(await _call_token_function(function, arguments))
            case Newest():
                return self._noted(await self._newest())
        await self._keep(step)
        return None

    def _noted(self, reply: T) -> T:
        """Return a reply, and note that it must not be shown."""
        if isinstance(reply, str):
            self._known += (reply,)
        return reply

    async def _newest(self) -> str | None:
        key = self.credential.key
        shared = await self.store.load_refresh_token(key) if self.store is not None else None
        kept = self.memory.refresh_tokens.get(key)
        return shared or (kept[0] if kept else None)

    async def _keep(self, step: Keep) -> None:
        """Keep it here and in the store, then hand it on; a failure of either does not lose it here."""
        key, known, refresh_token = self.credential.key, self.memory.refresh_tokens, step.refresh_token
        newest, handed = known.get(key, (None, step.given))
        known[key] = (refresh_token, handed)
        if self.store is not None and refresh_token != newest:
            try:
                await self.store.save_refresh_token(key, refresh_token)
            except StoreError as error:
                logger.warning("%s: %s; the new refresh token is not shared", key, error)
        if step.function is None or refresh_token == handed:
            return
        handing = self._hand_on(step.function, refresh_token)
        keeping = asyncio.create_task(handing, name="wxcv refresh token")
        self.memory.keeping.add(keeping)
        keeping.add_done_callback(self.memory.keeping.discard)
        await asyncio.shield(keeping)

    async def _hand_on(self, function: Callable[[str], object], refresh_token: str) -> None:
        """Call the caller's function; what is not handed on now is at the next renewal."""
        key = self.credential.key
        nesting.enter(asyncio.current_task())
        try:
            async with self.memory.clock.timeout(_KEEP_SECONDS):
                await call_back(function, refresh_token)
        except TimeoutError:
            fault = f"it did not end within {_KEEP_SECONDS:g} s"
        except CallbackError as error:
            fault = f"it raised {error}"
        else:
            self.memory.refresh_tokens[key] = (refresh_token, refresh_token)
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


def _content(path: str) -> bytes | OSError:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # to open a FIFO may take for ever
            return OSError(errno.EINVAL, "it is no regular file")
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST_FILE)
    except OSError as error:
        return error
    return content if len(content) < _LONGEST_FILE else OSError(errno.EFBIG, "it is too long")
