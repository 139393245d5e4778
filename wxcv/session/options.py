"""The keywords of Session, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import aiohttp

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.calls.events import AttemptEvent, CallEvent, CallStart
    from wxcv.calls.limits import DailyLimits
    from wxcv.calls.retries import RetryPolicy
    from wxcv.clock import Clock
    from wxcv.stores.base import Store
    from wxcv.tokens.cache import TokenCache


class SessionOptions(TypedDict, total=False):
    """The keywords of Session, which ``Session.from_env`` accepts too."""

    concurrency: int
    attempt_timeout: float
    call_timeout: float
    slot_timeout: float | None
    max_waiting: int | None
    retries: RetryPolicy | None
    base_url: str | None
    fallback_urls: Sequence[str]
    allow_http: bool
    http: aiohttp.ClientSession | None
    proxy: str | None
    trust_env: bool
    tokens: TokenCache | None
    store: Store | None
    image_limit: int
    local_files: bool
    fit: bool
    daily_limits: DailyLimits | None
    answer_sources: Sequence[AnswerSource]
    on_attempt: Callable[[AttemptEvent], object] | None
    on_call: Callable[[CallEvent], object] | None
    on_call_start: Callable[[CallStart], object] | None
    clock: Clock | None
