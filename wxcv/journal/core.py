"""JournalCore: the two threads of a journal, one that reads and one that writes, and their failures."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from wxcv.errors import JournalError
from wxcv.journal.active_sends import ActiveSends
from wxcv.journal.pending_reads import PendingReads
from wxcv.journal.threads import OperationThread
from wxcv.stores import sqlite_files

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from wxcv.clock import Clock
    from wxcv.journal.files import JournalFile
    from wxcv.journal.settings import Settings
    from wxcv.journal.threads import Work


class AfterCommit(NamedTuple):
    """Returned by an operation whose second part, ``work``, must run after its transaction was committed."""

    work: Callable[[sqlite3.Connection], Any]


class _ThreadConnection:
    """One thread's connection to the file.

    Attributes:
        failure: a sentence about the first write that failed, after which nothing more is written; or "".
        is_whole: whether all that was written before that is still in the file.
    """

    def __init__(self, file: JournalFile, clock: Clock, *, is_writer: bool) -> None:
        self._file = file
        self._clock = clock
        self._run_all = self._transact if is_writer else self._read
        self._connection: sqlite3.Connection | None = None
        self.failure = ""
        self.is_whole = True

    def run(self, operations: Sequence[Work]) -> Sequence[Any]:
        """Run the operations, for a writer in one transaction; return the result or the error of each."""
        if self.failure:
            return [JournalError(self.failure) for _ in operations]
        try:
            if self._connection is None:
                self._connection = self._file.connect(self._clock.wall())
        except Exception as error:  # noqa: BLE001 - also of the caller's clock; all must get a result
            reason = self._file.explain(error)
            return [JournalError(reason) for _ in operations]
        return self._run_all(self._connection, operations)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._file.disconnect(connection)

    def _transact(self, connection: sqlite3.Connection, operations: Sequence[Work]) -> list[Any]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [operation(connection) for operation in operations]
            self._file.check()
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - all must get a result
            self.is_whole = self._file.is_whole_after(error)
            self.failure = self._file.explain(error)
            with suppress(sqlite_files.Error):
                connection.rollback()
            return [JournalError(self.failure) for _ in operations]
        return [
            self._try(connection, result.work) if isinstance(result, AfterCommit) else result
            for result in results
        ]

    def _read(self, connection: sqlite3.Connection, operations: Sequence[Work]) -> list[Any]:
        return [self._try(connection, operation) for operation in operations]

    def _try(self, connection: sqlite3.Connection, work: Work) -> Any:  # noqa: ANN401 - what work returns
        try:
            return work(connection)
        except Exception as error:  # noqa: BLE001 - the others of the group are not affected
            return JournalError(self._file.explain(error))


class JournalCore:
    """The threads of a journal, which belong to the process that made them.

    Attributes:
        settings: the settings of the Journal.
        pending_reads: the reads of calls that are under way.
        active_sends: the calls whose images are being sent.
        is_closing: whether ``aclose`` was called, after which nothing more may be sent.
    """

    def __init__(self, file: JournalFile, settings: Settings) -> None:
        self.settings = settings
        self.is_closing = self._is_closed = False
        self._pid = os.getpid()
        self._reader, self._writer = (
            _ThreadConnection(file, settings.clock, is_writer=is_writer) for is_writer in (False, True)
        )
        self.pending_reads = PendingReads()
        self.active_sends = ActiveSends()
        self._threads: list[OperationThread] = []
        _cores.add(self)

    @property
    def failure(self) -> str:
        """A sentence about the first write that failed; "" if none has."""
        return self._writer.failure

    @property
    def is_whole(self) -> bool:
        """Whether all that was written before the failure was still in the file then."""
        return self._writer.is_whole

    async def read(self, work: Work) -> Any:  # noqa: ANN401 - what work returns
        """Return what ``work(connection)`` returns, outside of any transaction.

        Raises:
            JournalError: the file cannot be read, or the journal is closed.
        """
        reader, _ = self._start()
        return await reader.submit(work)

    async def write(self, work: Work) -> Any:  # noqa: ANN401 - what work returns
        """Return what ``work(connection)`` returned, in a transaction that is durable.

        Raises:
            JournalError: the file cannot be written, or could not before, or the journal is closed.
        """
        _, writer = self._start()
        return await writer.submit(work)

    def require_writable(self) -> None:
        """Raise JournalError if the journal is being closed, or cannot be used."""
        self._require_usable(is_closed=self.is_closing)

    def _require_usable(self, *, is_closed: bool) -> None:
        """Raise JournalError if the journal is closed or of another process, or if a write has failed."""
        if self._pid != os.getpid():
            raise JournalError(
                "the Journal was made before this process was forked; make another one here, for another file"
            )
        if is_closed:
            raise JournalError("the journal is closed; make another Journal")
        if self.failure:
            raise JournalError(self.failure)

    async def aclose(self, grace: float) -> None:
        """Wait for sends that have begun, run what is queued and close the file. May be called again."""
        if self._pid != os.getpid():
            return
        self.is_closing = True
        try:
            await self.active_sends.wait_for_all(grace)
        finally:
            self._is_closed = True
        _stop(self._threads)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> list[OperationThread]:
        """Return the thread that reads and the one that writes."""
        self._require_usable(is_closed=self._is_closed)
        if not self._threads:
            self._threads = [
                OperationThread("wxcv journal reader", self._reader.run, self._reader.close),
                OperationThread("wxcv journal writer", self._writer.run, self._writer.close),
            ]
            weakref.finalize(self, _stop, self._threads).atexit = False
        return self._threads


def _stop(threads: Sequence[OperationThread]) -> None:
    for thread in threads:
        thread.stop()


_cores: WeakSet[JournalCore] = WeakSet()
_inherited: list[JournalCore] = []  # with their connections, which a forked child may not even close


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _inherited.extend(_cores))
