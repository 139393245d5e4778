"""How a session is made, shared by accounts, watched and closed."""

from __future__ import annotations

import asyncio
import os
from concurrent import futures
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from wxcv import checks
from wxcv.calls.retries import RetryPolicy
from wxcv.calls.slots import Slots
from wxcv.calls.state import SessionState, SessionStats
from wxcv.calls.transport import Transport
from wxcv.clock import SystemClock
from wxcv.errors import SessionClosedError, TokenRejectedError
from wxcv.images.loading import ImageLoader
from wxcv.images.sources import IMAGE_LIMIT
from wxcv.session import arguments
from wxcv.tokens.cache import TokenCache, manager_of
from wxcv.tokens.environment import credential_from_env

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Unpack

    import aiohttp

    from wxcv.batch.runner import BatchRunner
    from wxcv.calls.events import AttemptEvent
    from wxcv.clock import Clock
    from wxcv.session.options import SessionOptions
    from wxcv.stores.base import Store
    from wxcv.tokens.access_token import AccessToken
    from wxcv.tokens.credential import Credential

_READERS = 2  # threads; a disk gives no more to more of them, and each keeps memory of its own
_GRACE = 10.0
_GRACE_WHEN_CANCELLED = 1.0


class SessionLifecycle:
    """What of a Session is about no image: its making, its token, its numbers and its end."""

    def __init__(  # noqa: PLR0913 - the settings of a session
        self,
        credential: Credential,
        *,
        concurrency: int = 8,
        attempt_timeout: float = 30.0,
        call_timeout: float = 60.0,
        slot_timeout: float | None = None,
        max_waiting: int | None = None,
        retries: RetryPolicy | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        tokens: TokenCache | None = None,
        store: Store | None = None,
        image_limit: int = IMAGE_LIMIT,
        local_files: bool = True,
        on_attempt: Callable[[AttemptEvent], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        arguments.check_credential(credential)
        arguments.check_objects(on_attempt=on_attempt, retries=retries, tokens=tokens, clock=clock)
        arguments.check_together(tokens=tokens, store=store, http=http, trust_env=trust_env)
        checks.flag("local_files", local_files)
        own_clock = clock or SystemClock()
        may_use_http = checks.flag("allow_http", allow_http) or credential.may_use_http
        url = checks.base_url(credential.base_url if base_url is None else base_url, allow_http=may_use_http)
        slots = Slots(
            checks.whole("concurrency", concurrency),
            checks.seconds("call_timeout", call_timeout),
            slot_timeout=None if slot_timeout is None else checks.seconds("slot_timeout", slot_timeout),
            max_waiting=None if max_waiting is None else checks.whole("max_waiting", max_waiting, least=0),
        )
        transport = Transport(
            url,
            connections=concurrency + 1,  # a token refresh takes no slot
            attempt_timeout=checks.seconds("attempt_timeout", attempt_timeout),
            http=http,
            proxy=checks.proxy(proxy),
            trust_env=checks.flag("trust_env", trust_env),
        )
        readers = futures.ThreadPoolExecutor(_READERS, "wxcv reader")
        loader = ImageLoader(checks.whole("image_limit", image_limit), readers, local_files=local_files)
        self._credential = credential
        self._is_owner = True
        self._runners: set[BatchRunner[Any, Any]] = set()
        self._state = SessionState(
            transport=transport,
            tokens=manager_of(tokens if tokens is not None else TokenCache(store, clock=own_clock)),
            slots=slots,
            clock=own_clock,
            retry_policy=retries if retries is not None else RetryPolicy(),
            call_timeout=call_timeout,
            loader=loader,
            readers=readers,
            on_attempt=on_attempt,
        )

    @classmethod
    def from_env(cls, **options: Unpack[SessionOptions]) -> Self:
        """Make a session from WXCV_APPID and WXCV_SECRET, or WXCV_ACCESS_TOKEN; WXCV_BASE_URL is optional.

        Args:
            options: as for Session; ``base_url`` goes before WXCV_BASE_URL.

        Raises:
            ValueError: a variable is missing, wrong, or at odds with another; it is named, its value is not
                shown.
        """
        base_url = os.environ.get("WXCV_BASE_URL")
        if base_url and options.get("base_url") is None:
            allow_http = bool(options.get("allow_http"))
            options["base_url"] = checks.base_url(base_url, allow_http=allow_http, name="WXCV_BASE_URL")
        return cls(credential_from_env(), **options)

    def on_behalf_of(self, credential: Credential) -> Self:
        """Return a session for another account that shares http, slots, settings and tokens with this one.

        It is cheap: make one for every merchant. It ends with this session; its own ``aclose`` does nothing.

        Args:
            credential: such as an AuthorizerCredential.
        """
        arguments.check_credential(credential)
        other = object.__new__(type(self))
        other._state, other._runners, other._credential = self._state, self._runners, credential
        other._is_owner = False
        return other

    def stats(self) -> SessionStats:
        """Return what the session does now and did so far; cheap enough for every request of a web app."""
        return self._state.stats()

    async def token(self) -> AccessToken:
        """Return the current access_token with its kind and the seconds it has left; its repr hides it.

        Raises:
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            WxcvError: no valid token is cached and none could be fetched.
        """
        self._state.require_usable()
        return await self._state.tokens.get_access_token(self._credential, self._state.transport.send)

    def invalidate_token(self) -> None:
        """Drop the current access_token, such as one that leaked; the next call fetches another.

        A stable token that is handed out again is then replaced by a forced refresh, as far as these are
        allowed (at most one in 30 s and 10 a day); until one is, calls fail with TokenRejectedError rather
        than use the dropped token. WeChat keeps the old one valid for up to 5 minutes.
        """
        credential, tokens = self._credential, self._state.tokens
        token = tokens.peek(credential)
        if token is not None:
            tokens.invalidate(credential, token, TokenRejectedError.dropped_here(), is_manual=True)

    async def aclose(self, grace: float = _GRACE) -> None:
        """Close: waiting calls end with SessionClosedError at once, running ones after ``grace`` seconds.

        Ends a token refresh in flight and closes an own HTTP session; a new refresh token that is being
        handed on has 5 s for it. May be called again, and from a token function, where running calls end at
        once.

        Raises:
            SessionClosedError: the session belongs to another event loop that still exists, or to another
                process.
        """
        state = self._state
        if not self._is_owner or not state.may_close():
            return
        if state.tokens.is_refreshing_here() or state.slots.is_held_here():
            grace = 0.0  # what runs waits for this very task
        async with AsyncExitStack() as rest:  # done also when the wait for calls in flight is cancelled
            rest.push_async_callback(state.transport.aclose)
            rest.callback(state.readers.shutdown, wait=False)
            rest.push_async_callback(state.tokens.release, state.transport.send)
            for runner in list(self._runners):
                runner.stop_pulling()
                rest.push_async_callback(runner.end, SessionClosedError("the session was closed"))
            rest.callback(state.transport.refuse)  # so that nobody begins a refresh after that
            await state.slots.aclose(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_cancelled = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
        await self.aclose(_GRACE_WHEN_CANCELLED if is_cancelled else _GRACE)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_credential', 'without credential')!r}>"
