"""DatabaseThread: runs the operations of a Database in a daemon thread, for asyncio code."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.errors import StoreError
from wxcv.masking import short_name
from wxcv.stores.base import OPERATION_SECONDS
from wxcv.stores.forks import make_fork_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from wxcv.stores.database import Database, Work

_BATCH = 100  # operations in one transaction, so that other processes get their turn

_inherited: list[threading.Thread] = []  # with their connections, which a forked child may not even close


class _Job(NamedTuple):
    work: Work
    future: Future[Any]


_Queue = SimpleQueue[_Job | None]


def _next_jobs(queue: _Queue) -> tuple[list[_Job], bool]:
    """Wait for a job; return it with those that are queued behind it, and whether the queue has ended."""
    jobs: list[_Job] = []
    job = queue.get()
    while job is not None:
        if job.future.set_running_or_notify_cancel():
            jobs.append(job)
        if len(jobs) == _BATCH:
            return jobs, False
        try:
            job = queue.get_nowait()
        except Empty:
            return jobs, False
    return jobs, True


def _execute(database: Database, jobs: list[_Job]) -> None:
    """Run the jobs in one transaction, which costs the disk no more than one job alone."""
    try:
        results = database.transact([job.work for job in jobs])
    except StoreError as error:
        for job in jobs:
            job.future.set_exception(StoreError(str(error)))
        return
    for job, result in zip(jobs, results, strict=True):
        job.future.set_result(result)


def _serve(database: Database, queue: _Queue) -> None:
    working, has_ended = make_fork_lock(), False
    while not has_ended:
        jobs, has_ended = _next_jobs(queue)
        with working:
            if jobs:
                _execute(database, jobs)
            if has_ended:
                database.close()
        del jobs


class DatabaseThread:
    """Runs operations on a Database; a forked child gets a thread and a connection of its own.

    Args:
        make_database: makes the Database for a thread.
        name: the name of the file, for messages.
    """

    def __init__(self, make_database: Callable[[], Database], name: str) -> None:
        self._make_database = make_database
        self._name = short_name(name)
        self._queue: _Queue | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._finalizer: weakref.finalize[..., DatabaseThread] | None = None

    async def run(self, work: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what work returns
        """Return what ``work(connection, now, *arguments)`` returned, in a transaction that was committed.

        Raises:
            StoreError: after 2 s at most.
        """
        job = _Job(lambda connection, now: work(connection, now, *arguments), Future())
        self._start().put(job)
        with suppress(TimeoutError):
            async with asyncio.timeout(OPERATION_SECONDS):
                return await asyncio.wrap_future(job.future)
        raise StoreError(
            f"the store {self._name} did not answer within {OPERATION_SECONDS:g} s; is the disk slow, "
            "or the file locked by another process?"
        )

    async def aclose(self) -> None:
        """Finish the operations that were begun and close the file."""
        queue, thread, finalizer = self._queue, self._thread, self._finalizer
        if queue is None or thread is None or finalizer is None or self._pid != os.getpid():
            return
        self._queue = self._thread = None
        finalizer.detach()
        queue.put(None)
        await asyncio.to_thread(thread.join, OPERATION_SECONDS)

    def _start(self) -> _Queue:
        """Return the queue of the running thread; start one if there is none in this process."""
        if self._queue is not None and self._pid == os.getpid():
            return self._queue
        if self._thread is not None:
            _inherited.append(self._thread)
        queue = _Queue()
        serve = partial(_serve, self._make_database(), queue)
        self._thread = threading.Thread(target=serve, name="wxcv store", daemon=True)
        self._thread.start()
        self._queue, self._pid = queue, os.getpid()
        self._finalizer = weakref.finalize(self, queue.put, None)
        self._finalizer.atexit = False
        return queue
