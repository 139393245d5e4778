"""SessionState: what the calls of a session share, for all its accounts."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from wxcv.calls.pacing import Pacer
from wxcv.calls.retries import RetryPolicy, RetryQuota
from wxcv.calls.shared_calls import SharedCalls
from wxcv.errors import SessionClosedError
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.calls.answer_cache import AnswerCache
    from wxcv.calls.events import AttemptEvent, CallEvent, CallStart
    from wxcv.calls.limits import DailyLimiter
    from wxcv.calls.slots import Slots
    from wxcv.calls.transport import Transport
    from wxcv.clock import Clock
    from wxcv.images.loading import ImageLoader
    from wxcv.stores.base import AnswerStore
    from wxcv.tokens.manager import TokenManager


@attrs.frozen(repr=False, kw_only=True)
class SessionStats(Value):
    """What a session is doing, and has done since it was constructed, for all its accounts.

    Attributes:
        running: the calls that hold a slot now, at most ``concurrency``; queries of ``Session.quota`` too.
        waiting: the calls, and such queries, that wait for a slot now.
        calls: the calls that got a slot.
        sends: how many times an image was sent, in full or in part.
        retries: the sends after the first one of each call.
        refreshes: the token refreshes that this session started.
        bytes_sent: the total size of the images in those sends, in bytes.
        sends_by_endpoint: the sends of each endpoint, by its path such as "/cv/ocr/comm"; without those of 0.
        sends_left_by_endpoint: the sends that are left today of each endpoint's daily limit, by its path, as
            of the session's last send there; 0 if WeChat's quota is used up. With several accounts, those of
            the account that has the fewest. Without endpoints at which nothing was sent today.
    """

    running: int
    waiting: int
    calls: int
    sends: int
    retries: int
    refreshes: int
    bytes_sent: int
    sends_by_endpoint: Mapping[str, int] = attrs.field(factory=dict, hash=False)
    sends_left_by_endpoint: Mapping[str, int] = attrs.field(factory=dict, hash=False)


class AnswerSources(NamedTuple):
    """The answer sources of a session, in their order.

    Attributes:
        before: the sources before the cache; all sources if there is none.
        cache: the AnswerCache, or None.
        after: the sources after the cache.
        store: the store in which the cache shares answers, or None.
    """

    before: tuple[AnswerSource, ...]
    cache: AnswerCache | None
    after: tuple[AnswerSource, ...]
    store: AnswerStore | None

    @property
    def may_keep(self) -> bool:
        """Whether any source but the cache keeps WeChat's answers."""
        return any(hasattr(source, "keep") for source in (*self.before, *self.after))


@attrs.define(eq=False, repr=False, kw_only=True)
class SessionState:
    """What the calls of a session share, and what they have done.

    Attributes:
        loop: the event loop to which the session belongs; None before its first use.
        pid: the process in which it was constructed.
        calls, sends, retries, bytes_sent, sends_by_endpoint: see SessionStats.
    """

    transport: Transport
    tokens: TokenManager
    slots: Slots
    clock: Clock
    retry_policy: RetryPolicy
    call_timeout: float
    loader: ImageLoader
    reader_threads: Executor
    on_attempt: Callable[[AttemptEvent], object] | None
    limiter: DailyLimiter | None = None
    answer_sources: AnswerSources | None = None
    on_call: Callable[[CallEvent], object] | None = None
    on_call_start: Callable[[CallStart], object] | None = None
    shared_calls: SharedCalls = attrs.field(factory=SharedCalls)
    retry_quota: RetryQuota = attrs.field(factory=RetryQuota)
    pacers: dict[str, Pacer] = attrs.field(factory=dict)
    loop: asyncio.AbstractEventLoop | None = None
    pid: int = attrs.field(factory=os.getpid)
    calls: int = 0
    sends: int = 0
    retries: int = 0
    bytes_sent: int = 0
    sends_by_endpoint: Counter[str] = attrs.field(factory=Counter)

    def bind_to_running_loop(self) -> None:
        """Bind the session to the running event loop, or check that it is bound to it.

        Raises:
            SessionClosedError: it is closed, or belongs to another event loop or process.
        """
        if self.pid != os.getpid():
            self.require_same_process()
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            if self.loop is not None:
                raise SessionClosedError(
                    "the session belongs to another event loop; open a new session in this event loop"
                )
            self.loop = loop
        if self.slots.is_closed:
            raise SessionClosedError("the session is closed; open a new one")
        self.transport.require_open()

    def prepare_to_close(self) -> bool:
        """Return whether the session can be closed in the running event loop.

        If its own event loop is closed, nothing of it can be awaited any more: close its connections without
        waiting, shut its threads down, and return False.

        Raises:
            SessionClosedError: it belongs to another event loop that is not closed, or to another process.
        """
        self.require_same_process()
        if self.loop is None or self.loop is asyncio.get_running_loop():
            return True
        if not self.loop.is_closed():
            raise SessionClosedError("the session belongs to another event loop; close it there")
        self.transport.close_without_waiting()
        self.transport.stop_sending()
        self.reader_threads.shutdown(wait=False)
        self.loader.close()
        return False

    def require_same_process(self) -> None:
        """Raise SessionClosedError in a forked child, which shares the connections of its parent."""
        if self.pid != os.getpid():
            raise SessionClosedError(
                "the session belongs to the parent process; open a new session in this process"
            )

    def get_pacer(self, path: str) -> Pacer:
        """Return the pacer of an endpoint, which all accounts of the session share."""
        pacer = self.pacers.get(path)
        if pacer is None:
            pacer = self.pacers[path] = Pacer()
        return pacer

    def stats(self) -> SessionStats:
        """Return the session's statistics."""
        slots, limiter = self.slots, self.limiter
        return SessionStats(
            running=slots.count - slots.free_count,
            waiting=slots.waiting_count,
            calls=self.calls,
            sends=self.sends,
            retries=self.retries,
            refreshes=self.tokens.refreshes(self.transport.send),
            bytes_sent=self.bytes_sent,
            sends_by_endpoint=dict(self.sends_by_endpoint),
            sends_left_by_endpoint={} if limiter is None else limiter.left.at(self.clock.wall()),
        )

    def __del__(self) -> None:
        # A session whose construction failed has no transport.
        transport = getattr(self, "transport", None)
        if transport is not None and self.pid == os.getpid() and transport.close_without_waiting():
            warnings.warn(
                "unclosed wxcv.Session; use it as `async with Session(...)`, or await its aclose()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
