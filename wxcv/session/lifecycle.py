"""The lifecycle of a Session: construction, other accounts, token access, statistics and closing."""

from __future__ import annotations

import asyncio
import os
from concurrent import futures
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from wxcv import checks
from wxcv.calls.hosts import limit_connect_timeout
from wxcv.calls.retries import RetryPolicy
from wxcv.calls.state import SessionState, SessionStats
from wxcv.calls.transport import Transport
from wxcv.clock import SystemClock
from wxcv.errors import SessionClosedError, TokenRejectedError
from wxcv.images.loading import ImageLoader
from wxcv.images.sources import IMAGE_LIMIT
from wxcv.session import arguments
from wxcv.tokens.cache import TokenCache, get_manager
from wxcv.tokens.environment import credential_from_env

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Unpack

    import aiohttp

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.batch.runner import BatchRunner
    from wxcv.calls.events import AttemptEvent, CallEvent, CallStart
    from wxcv.calls.limits import DailyLimits
    from wxcv.clock import Clock
    from wxcv.session.options import SessionOptions
    from wxcv.stores.base import Store
    from wxcv.tokens.access_token import AccessToken
    from wxcv.tokens.credential import Credential

_READERS = 2  # threads; more would not read a disk faster, and each holds memory of its own
_GRACE = 10.0
_GRACE_WHEN_CANCELLED = 1.0


class SessionLifecycle:
    """The lifecycle of a Session: construction, token access, statistics and closing."""

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
        fallback_urls: Sequence[str] = (),
        allow_http: bool = False,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        tokens: TokenCache | None = None,
        store: Store | None = None,
        image_limit: int = IMAGE_LIMIT,
        local_files: bool = True,
        fit: bool = False,
        daily_limits: DailyLimits | None = None,
        answer_sources: Sequence[AnswerSource] = (),
        on_attempt: Callable[[AttemptEvent], object] | None = None,
        on_call: Callable[[CallEvent], object] | None = None,
        on_call_start: Callable[[CallStart], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        arguments.check_credential(credential)
        arguments.check_costs(daily_limits, answer_sources, fit=fit, credential=credential)
        arguments.check_functions(on_attempt=on_attempt, on_call=on_call, on_call_start=on_call_start)
        arguments.check_objects(retries=retries, tokens=tokens, clock=clock)
        arguments.check_together(tokens=tokens, store=store, http=http, trust_env=trust_env)
        may_read_files, own_clock = checks.check_bool("local_files", local_files), clock or SystemClock()
        url, *fallbacks = arguments.check_urls(base_url, fallback_urls, credential, allow_http=allow_http)
        slots = arguments.make_slots(concurrency, call_timeout, slot_timeout, max_waiting)
        transport = Transport(
            url,
            fallbacks,
            connections=concurrency + 1,  # a token refresh takes no slot
            attempt_timeout=checks.check_seconds("attempt_timeout", attempt_timeout),
            connect_timeout=limit_connect_timeout(call_timeout, len(fallbacks)),
            http=http,
            proxy=checks.check_proxy(proxy),
            trust_env=checks.check_bool("trust_env", trust_env),
            monotonic=own_clock.monotonic,
        )
        reader_threads = futures.ThreadPoolExecutor(_READERS, "wxcv reader")
        limit = checks.check_integer("image_limit", image_limit)
        loader = ImageLoader(limit, reader_threads, local_files=may_read_files, fit=fit)
        manager = get_manager(tokens if tokens is not None else TokenCache(store, clock=own_clock))
        self._credential, self._is_owner, self._base_url, self._allow_http = credential, True, url, allow_http
        self._runners: set[BatchRunner[Any, Any]] = set()
        self._state = SessionState(
            transport=transport,
            tokens=manager,
            slots=slots,
            clock=own_clock,
            retry_policy=retries if retries is not None else RetryPolicy(),
            call_timeout=call_timeout,
            loader=loader,
            reader_threads=reader_threads,
            on_attempt=on_attempt,
            on_call=on_call,
            on_call_start=on_call_start,
            limiter=arguments.make_limiter(daily_limits, manager.store, own_clock),
            answer_sources=arguments.make_answer_sources(answer_sources, manager.store),
        )

    @classmethod
    def from_env(cls, **options: Unpack[SessionOptions]) -> Self:
        """Make a session from WXCV_APPID and WXCV_SECRET, or WXCV_ACCESS_TOKEN; WXCV_BASE_URL is optional.

        Args:
            options: the keywords of Session; ``base_url`` overrides WXCV_BASE_URL.

        Raises:
            ValueError: a variable is missing, wrong, or conflicts with another; the message names it and
                never shows its value.
        """
        base_url = os.environ.get("WXCV_BASE_URL")
        if base_url and options.get("base_url") is None:
            allow_http = bool(options.get("allow_http"))
            options["base_url"] = checks.check_base_url(base_url, allow_http=allow_http, name="WXCV_BASE_URL")
        return cls(credential_from_env(), **options)

    def on_behalf_of(self, credential: Credential) -> Self:
        """Return a session for another account that shares this session's connections, slots and settings.

        It is cheap: make one for every authorizer. It shares the TokenCache too, and closes with this
        session; its own ``aclose`` does nothing.

        Args:
            credential: the other account's credential, such as an AuthorizerCredential.

        Raises:
            TypeError: it is not a credential.
            ValueError: the session's base URL is plain HTTP, and the credential's secret must not be sent
                over it; or there are daily limits or shared answers, and the credential's account is
                unknown; or it is a CloudRelayCredential, and this session has ``fallback_urls``.
        """
        arguments.check_credential(credential)
        arguments.check_fallbacks_allowed(credential, has_fallbacks=self._state.transport.has_fallbacks)
        sources = self._state.answer_sources
        arguments.check_account(
            credential,
            is_limited=self._state.limiter is not None,
            is_sharing=sources is not None and sources.store is not None,
        )
        may_use_http = self._allow_http or credential.may_use_http
        checks.check_base_url(self._base_url, allow_http=may_use_http, name="the session's base_url")
        other = object.__new__(type(self))
        other._state, other._runners, other._credential = self._state, self._runners, credential
        other._base_url, other._allow_http = self._base_url, self._allow_http
        other._is_owner = False
        return other

    def stats(self) -> SessionStats:
        """Return the session's statistics; cheap enough to call for every request of a web app."""
        return self._state.stats()

    async def token(self) -> AccessToken:
        """Return the current access_token with its kind and remaining seconds; fetch one if none is valid.

        Raises:
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            WxcvError: no valid token is cached and none could be fetched.
        """
        self._state.bind_to_running_loop()
        return await self._state.tokens.get_access_token(self._credential, self._state.transport.send)

    def invalidate_token(self) -> None:
        """Drop the current access_token, for example one that leaked; the next call fetches another one.

        If WeChat returns the dropped stable token again, it is replaced by a forced refresh, of which one is
        allowed every 30 s and 10 a day; until then calls raise TokenRejectedError rather than use the dropped
        token. Without a valid token nothing happens.

        Until it is replaced, the dropped token stays valid at WeChat. A forced refresh of a stable token ends
        the old one at once; a new classic token leaves the old one valid for up to 5 minutes.
        """
        credential, tokens = self._credential, self._state.tokens
        token = tokens.peek(credential)
        if token is not None:
            tokens.invalidate(credential, token, TokenRejectedError.dropped_here(), is_manual=True)

    async def aclose(self, grace: float = _GRACE) -> None:
        """Close the session: waiting calls end with SessionClosedError now, running ones after ``grace`` s.

        Cancels a running token refresh and closes the session's own connections; a function that is saving a
        new refresh token has 5 s to finish. It may be called again. Called from a token function, it ends
        running calls at once. Leaving an ``async with`` block calls it with the default grace, or with 1 s if
        the block was cancelled or interrupted.

        Args:
            grace: seconds for which running calls may continue.

        Raises:
            SessionClosedError: the session belongs to another event loop that is not closed, or to another
                process.
        """
        state = self._state
        if not self._is_owner or not state.prepare_to_close():
            return
        if state.tokens.is_refreshing_here() or state.slots.is_held_here():
            grace = 0.0  # the running calls wait for this very task
        async with AsyncExitStack() as rest:  # runs even if the wait for running calls is cancelled
            rest.push_async_callback(state.transport.aclose)
            rest.callback(state.reader_threads.shutdown, wait=False)
            if state.limiter is not None:
                rest.push_async_callback(state.limiter.wait_closed)
            rest.push_async_callback(state.shared_calls.wait_closed)
            rest.callback(state.loader.close)
            rest.push_async_callback(state.tokens.release, state.transport.send)
            for runner in list(self._runners):
                closed = SessionClosedError("the session was closed")
                runner.stop_pulling(closed)  # it may end by itself before ``end`` is called
                rest.push_async_callback(runner.end, closed)
            rest.callback(state.transport.stop_sending)  # so that no refresh starts after that
            await state.slots.aclose(grace)

    def _begin_batch(self, runner: BatchRunner[Any, Any]) -> None:
        """Let closing the session end the batch; one that never begins is freed with its images."""
        self._state.bind_to_running_loop()
        self._runners.add(runner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_cancelled = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
        await self.aclose(_GRACE_WHEN_CANCELLED if is_cancelled else _GRACE)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_credential', 'without credential')!r}>"
