"""Daily limits: how many sends an account may make at an endpoint in a day."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import attrs

from wxcv import checks
from wxcv.calls.sends_left import SendsLeft
from wxcv.clock import format_in_utc_plus_8
from wxcv.endpoints.base import Endpoint
from wxcv.errors import DailyLimitError, QuotaExhaustedError, StoreError
from wxcv.masking import class_name
from wxcv.stores.base import PROBE_PAUSE
from wxcv.stores.local import LocalCounters
from wxcv.values import Value

if TYPE_CHECKING:
    from wxcv.clock import Clock
    from wxcv.stores.base import CounterStore, Taken, Usage

T = TypeVar("T")

logger = logging.getLogger("wxcv")

DAILY_QUOTA = 45009
MARKET_QUOTAS = {101002, 101003, 9301010}  # 101002 is of quota only with "market quota" in its errmsg

_CLEAR = "clear_quota_marks(), or wxcv quota --reset"
_CLOSING_SECONDS = 5.0  # for a take of a cancelled call and to give it back, 2 s each

_REASONS = {
    "limit": "the limit of {sends} a day is used up; it begins anew at {end}",
    "day": f"WeChat's quota of the day is used up (errcode {DAILY_QUOTA}); it begins anew at {{end}}; after "
    f"resetting WeChat's quota: {_CLEAR}",
    "market": f"the market quota is used up; one send in {PROBE_PAUSE / 60:g} minutes tries again; after "
    f"buying more: {_CLEAR}",
}

_COUNTED = "the daily limit may count a send too many"
_NOT_TOLD = "sessions that share the store may not learn that the quota is used up"
_NOT_TRIED = "sessions that share the store may still wait for market quota"


def _validate_limits(_limits: object, _field: object, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"limits must map endpoints to sends a day, not {class_name(value)}")
    for endpoint, limit in value.items():
        if not isinstance(endpoint, Endpoint):
            raise TypeError(f"limits must have keys such as wxcv.PRINTED_TEXT, not {class_name(endpoint)}")
        checks.check_integer(f"limits of {endpoint.name}", limit, least=0)


def _validate_hour(_limits: object, field: attrs.Attribute[int], value: object) -> None:
    if checks.check_integer(field.name, value, least=0) > 23:  # noqa: PLR2004 - hours of a day
        raise ValueError(f"{field.name} must be an hour from 0 to 23")


def _validate_mode(_limits: object, field: attrs.Attribute[str], value: object) -> None:
    if value not in {"stop", "count_locally"}:
        raise ValueError(f'{field.name} must be "stop" or "count_locally"')


@attrs.frozen(repr=False)
class DailyLimits(Value):
    """How many sends an account may make at each endpoint in a day of UTC+8.

    A send is taken from the limit before its first byte leaves, and given back only if nothing was sent, also
    when the call is cancelled; closing the session waits for that, for 5 s at most. Without a store, each
    session counts for itself. With one, the sends of all sessions that share it and have a daily limit for
    the endpoint are counted together, by the store's clock, and each session applies its own limit to the
    common count. More sends than that are made only if the store loses writes: see RedisStore and
    SQLiteStore.

    Errcode 45009 marks WeChat's quota of the day as used up. Errcode 101003 and its like mark the market
    quota as used up: the calls that were bought in WeChat's service market. Either mark stops all sessions
    that share the store and have a daily limit for the endpoint; sessions without one neither set nor obey
    the marks. As somebody may buy more market quota at any time, one session tries one send every 15 minutes.
    ``Session.clear_quota_marks`` clears both marks.

    The end of a day is fixed when it begins: a session with another ``reset_hour`` has the day of the session
    that began it, until that day ends.

    Args:
        limits: sends a day, by endpoint, such as ``{wxcv.PRINTED_TEXT: 100}``; 0 to 10 ** 9.
        reset_hour: the hour of UTC+8 at which the day begins, 0 to 23; WeChat does not document it.
        without_store: when the store fails, "stop" raises StoreError, and "count_locally" continues with the
            session's own count.

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
    """

    limits: Mapping[Endpoint[Any], int] = attrs.field(validator=_validate_limits)
    reset_hour: int = attrs.field(default=0, kw_only=True, validator=_validate_hour)
    without_store: Literal["stop", "count_locally"] = attrs.field(
        default="stop", kw_only=True, validator=_validate_mode
    )


def _get_key(account: str, endpoint: Endpoint[Any]) -> str:
    """Return the key under which a CounterStore counts."""
    return f"{account}:{endpoint.path}"


class Reservation(NamedTuple):
    """One send that was taken from a limit."""

    store: CounterStore
    key: str
    taken: Taken


class DailyLimiter:
    """Takes the sends of a session from its daily limits.

    Args:
        limits: the limits.
        store: the store that holds the counts, or None to count here.
        clock: the source of the time of day if there is no store.

    Attributes:
        left: the sends that are left.
    """

    def __init__(self, limits: DailyLimits, store: CounterStore | None, clock: Clock) -> None:
        self._by_path = {endpoint.path: limit for endpoint, limit in limits.limits.items()}
        self._limits = limits
        self.left = SendsLeft()
        self._local = LocalCounters(clock)
        self._running: set[asyncio.Task[Any]] = set()
        self._store: CounterStore = self._local if store is None else store

    def is_limited(self, endpoint: Endpoint[Any]) -> bool:
        """Return whether the endpoint has a limit."""
        return endpoint.path in self._by_path

    async def reserve(self, account: str, endpoint: Endpoint[Any]) -> Reservation:
        """Take one send.

        Raises:
            DailyLimitError: none is left.
            StoreError: the store failed.
        """
        key, limit = _get_key(account, endpoint), self._by_path[endpoint.path]
        taking = self._start(self._take(key, limit))
        try:
            await asyncio.wait({taking})
            reservation = taking.result()
        except asyncio.CancelledError:
            self._start(self._undo(taking))
            raise
        finally:
            del taking  # avoids a reference cycle through the traceback of its error
        taken = reservation.taken
        self.left.record(endpoint.path, key, taken, limit)
        if taken.refused_by is None:
            return reservation
        ends_at = None if taken.refused_by == "market" else datetime.fromtimestamp(taken.resets_at, UTC)
        sends, end = "1 send" if limit == 1 else f"{limit:,} sends", format_in_utc_plus_8(taken.resets_at)
        reason = _REASONS[taken.refused_by].format(sends=sends, end=end)
        raise DailyLimitError(f"{endpoint.name} for {account}: {reason}", resets_at=ends_at)

    async def _take(self, key: str, limit: int) -> Reservation:
        """Take one send, or learn why not, where it is to be counted."""
        store, hour = self._store, self._limits.reset_hour
        try:
            return Reservation(store, key, await store.take(key, limit, reset_hour=hour))
        except StoreError as error:
            if self._limits.without_store == "stop":
                raise
            logger.warning("%s; sends are counted in this process only", error)
        return Reservation(self._local, key, await self._local.take(key, limit, reset_hour=hour))

    async def _undo(self, taking: asyncio.Task[Reservation]) -> None:
        """Give back what is being taken for a call that was cancelled."""
        await asyncio.wait({taking})
        if taking.cancelled() or taking.exception() is not None:
            return
        store, key, taken = taking.result()
        if taken.refused_by is None:
            await self._log_failure(store.give_back(key, taken), _COUNTED)

    async def give_back(self, reservation: Reservation) -> None:
        """Give a send back that did not take place."""
        self.left.give_back(reservation.key)
        operation = reservation.store.give_back(reservation.key, reservation.taken)
        await self._try(operation, _COUNTED)

    async def record_failure(self, reservation: Reservation, error: BaseException) -> None:
        """Mark a used-up quota for all sessions that share the store; release a probe without result."""
        store, key, taken = reservation
        errcode = error.errcode if isinstance(error, QuotaExhaustedError) else 0
        if errcode == DAILY_QUOTA or errcode in MARKET_QUOTAS:
            self.left.record_spent(key)
        if errcode == DAILY_QUOTA:
            await self._try(store.mark_day_spent(key, taken), _NOT_TOLD)
        elif errcode in MARKET_QUOTAS:
            await self._try(store.mark_market_spent(key), _NOT_TOLD)
        elif taken.is_probe:
            await self._try(store.release_probe(key, taken), _NOT_TRIED)

    async def record_success(self, reservation: Reservation) -> None:
        """After a probe, clear the marks, so that all sessions may send again."""
        if reservation.taken.is_probe:
            self.left.forget(reservation.key)
            operation = reservation.store.clear_marks(reservation.key)
            await self._try(operation, _NOT_TRIED)

    async def load_usage(self, account: str, endpoint: Endpoint[Any]) -> Usage:
        """Return the count and the marks of the endpoint's current day; StoreError if the store failed."""
        return await self._store.load_usage(_get_key(account, endpoint), reset_hour=self._limits.reset_hour)

    async def clear_marks(self, account: str, endpoint: Endpoint[Any]) -> None:
        """Clear both marks, here and in the store; StoreError if the store failed."""
        key = _get_key(account, endpoint)
        self.left.forget(key)
        for counters in (self._local, self._store):
            await counters.clear_marks(key)

    async def wait_closed(self, seconds: float = _CLOSING_SECONDS) -> None:
        """Wait until what cancelled calls took is given back; cancel what takes longer than the seconds."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _start(self, operation: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start an operation of the store that goes on when the call that waits for it is cancelled."""
        task = asyncio.create_task(operation, name="wxcv daily limit")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _try(self, operation: Coroutine[Any, Any, None], consequence: str) -> None:
        """Run an operation of the store; log a failure and its consequence."""
        running = self._start(self._log_failure(operation, consequence))
        try:
            await asyncio.wait({running})
            running.result()
        finally:
            del running  # as above

    @staticmethod
    async def _log_failure(operation: Awaitable[None], consequence: str) -> None:
        try:
            await operation
        except StoreError as error:
            logger.warning("%s; %s", error, consequence)
