"""Daily limits: how many sends an account may make at an endpoint in a day."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import attrs

from wxcv import checks
from wxcv.endpoints.base import Endpoint
from wxcv.errors import DailyLimitError, QuotaExhaustedError, StoreError
from wxcv.masking import class_name
from wxcv.stores.local import LocalCounters
from wxcv.values import Value

if TYPE_CHECKING:
    from wxcv.clock import Clock
    from wxcv.stores.base import CounterStore, Taken, Usage

T = TypeVar("T")

logger = logging.getLogger("wxcv")

DAILY_QUOTA = 45009
MARKET_QUOTAS = {101002, 101003, 9301010}  # 101002 is of quota only with "market quota" in its errmsg

_CLOSING_SECONDS = 5.0  # for a take of a cancelled call and to give it back, 2 s each

_REASONS = {
    "limit": "the daily limit of {limit} sends is used up",
    "day": "WeChat's quota of the day is used up (errcode 45009)",
    "market": "no market quota is left; one call in 15 minutes may try again",
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
    when the call is cancelled; closing the session waits for that, for 5 s at most. With a store, all
    processes and machines together never exceed a limit, and the day is that of the store's clock; without
    one, each session counts for itself. What breaks the promise: a Redis without persistence, with eviction
    or after FLUSHALL, and a failover that loses the last writes.

    Errcode 45009 marks the day as used up for all who share the store. Without market quota (errcode 101003
    and its kin) calls stop too, but as somebody may buy another pack, one process tries one call every 15
    minutes.

    Args:
        limits: sends a day, by endpoint, such as ``{wxcv.PRINTED_TEXT: 100}``; 0 or more.
        reset_hour: the hour of UTC+8 at which the day begins; WeChat does not document it.
        without_store: when the store fails, "stop" raises StoreError, and "count_locally" goes on with the
            session's own count.

    Raises:
        ValueError, TypeError: naming the argument.
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
        store: what processes share, or None.
        clock: tells the day where there is no store.
    """

    def __init__(self, limits: DailyLimits, store: CounterStore | None, clock: Clock) -> None:
        self._by_path = {endpoint.path: limit for endpoint, limit in limits.limits.items()}
        self._limits = limits
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
        if taken.refused_by is None:
            return reservation
        ends_at = None if taken.refused_by == "market" else datetime.fromtimestamp(taken.resets_at, UTC)
        reason = _REASONS[taken.refused_by].format(limit=limit)
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
        """Give a send back of which surely nothing was sent."""
        operation = reservation.store.give_back(reservation.key, reservation.taken)
        await self._try(operation, _COUNTED)

    async def record_failure(self, reservation: Reservation, error: BaseException) -> None:
        """Mark a used-up quota, for all who share the store; leave a probe that told nothing to the next."""
        store, key, taken = reservation
        errcode = error.errcode if isinstance(error, QuotaExhaustedError) else 0
        if errcode == DAILY_QUOTA:
            await self._try(store.mark_day_spent(key, taken), _NOT_TOLD)
        elif errcode in MARKET_QUOTAS:
            await self._try(store.mark_market_spent(key), _NOT_TOLD)
        elif taken.is_probe:
            await self._try(store.release_probe(key, taken), _NOT_TRIED)

    async def record_success(self, reservation: Reservation) -> None:
        """After a probe, let all others go on."""
        if reservation.taken.is_probe:
            operation = reservation.store.clear_marks(reservation.key)
            await self._try(operation, _NOT_TRIED)

    async def load_usage(self, account: str, endpoint: Endpoint[Any]) -> Usage:
        """Return what is known of the endpoint's current day; raises StoreError if the store failed."""
        return await self._store.load_usage(_get_key(account, endpoint), reset_hour=self._limits.reset_hour)

    async def clear_marks(self, account: str, endpoint: Endpoint[Any]) -> None:
        """Remove both marks, here and in the store; raises StoreError if the store failed."""
        for counters in (self._local, self._store):
            await counters.clear_marks(_get_key(account, endpoint))

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
        """Run an operation of the store; if it fails, log that with what follows from it."""
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
