"""OperationThread: runs operations in a daemon thread, all that are queued as one group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.stores.forks import make_fork_lock

if TYPE_CHECKING:
    import sqlite3

Work = Callable[["sqlite3.Connection"], Any]

_GROUP_LIMIT = 256
"""Operations in one group: all of them wait until the last one has run."""


class _Operation(NamedTuple):
    work: Work
    future: asyncio.Future[Any]


_Queue = SimpleQueue[_Operation | None]


class OperationThread:
    """Runs operations in a daemon thread, in groups: all that came while the last group ran.

    Args:
        name: the name of the thread.
        run_group: runs the operations of a group, and returns the result or the exception of each.
        close: called in the thread when it ends.
    """

    def __init__(
        self, name: str, run_group: Callable[[Sequence[Work]], Sequence[Any]], close: Callable[[], None]
    ) -> None:
        self._queue: _Queue = SimpleQueue()
        arguments = (self._queue, run_group, close)
        self._thread = threading.Thread(target=_serve, name=name, args=arguments, daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Return the future of what ``work(connection)`` returns; it runs even if the future is cancelled."""
        future = asyncio.get_running_loop().create_future()
        self._queue.put(_Operation(work, future))
        return future

    def stop(self) -> None:
        """Have the thread end once it has run what is queued; nothing may be submitted after this."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()


def _serve(
    queue: _Queue, run_group: Callable[[Sequence[Work]], Sequence[Any]], close: Callable[[], None]
) -> None:
    working, has_ended = make_fork_lock(), False
    while not has_ended:
        group, has_ended = _next_group(queue)
        with working:
            results = run_group([operation.work for operation in group]) if group else ()
            if has_ended:
                close()
        _deliver(group, results)
        del group, results


def _next_group(queue: _Queue) -> tuple[list[_Operation], bool]:
    """Wait for an operation; return it with those behind it, and whether the queue has ended."""
    group: list[_Operation] = []
    operation = queue.get()
    while operation is not None:
        group.append(operation)
        if len(group) == _GROUP_LIMIT:
            return group, False
        try:
            operation = queue.get_nowait()
        except Empty:
            return group, False
    return group, True


def _deliver(group: Sequence[_Operation], results: Sequence[Any]) -> None:
    """Set the results of the futures, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for operation, result in zip(group, results, strict=True):
        by_loop.setdefault(operation.future.get_loop(), []).append((operation.future, result))
    for loop, pairs in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(_set_results, pairs)


def _set_results(pairs: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():  # cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
