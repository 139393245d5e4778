"""Database: checks, opens and locks the SQLite file of a store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wxcv.errors import StoreError
from wxcv.masking import short_name
from wxcv.stores import sqlite_files
from wxcv.stores.sqlite_files import MOUNTS, FileKind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from wxcv.clock import Clock

_APPLICATION_ID = 0x77786376  # "wxcv"
_VERSION = 1

Work = Callable[["sqlite3.Connection", float], Any]


class Database:
    """The connection to the file, for one thread.

    It is opened again after an error, and after the file was deleted.

    Args:
        path: the path of the file.
        tables: the statements that create the tables of a new file.
        clock: the source of the time that operations get.
        mounts: the path of the system's table of mounts, which may be missing.
    """

    def __init__(self, path: str, tables: Sequence[str], clock: Clock, mounts: str = MOUNTS) -> None:
        self._path = Path(path)
        self._kind = FileKind(
            _APPLICATION_ID,
            _VERSION,
            tables,
            damage_remedy="move it away, and tokens are fetched again and daily limits start again at 0",
            network_remedy="give a path on a local disk, or use a RedisStore",
        )
        self._clock = clock
        self._mounts = Path(mounts)
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)

    def transact(self, works: Sequence[Work]) -> list[Any]:
        """Call every function with the connection and the Unix time, in one transaction; return the results.

        Raises:
            StoreError: everything was undone. The message names the file, the cause and the remedy.
        """
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            now = self._clock.wall()
            results = [work(connection, now) for work in works]
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - also of the caller's clock; nobody may be left waiting
            reason = sqlite_files.explain(error, self._kind)
        else:
            return results
        self.close()
        raise StoreError(f"the store {short_name(str(self._path))} {reason}")

    def close(self) -> None:
        """Close the connection and undo what is not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite_files.Error):
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == sqlite_files.identify(self._path):
            return self._connection
        self.close()
        self._path = self._path.resolve()
        sqlite_files.require_local(self._path, self._mounts, self._kind)
        sqlite_files.create(self._path)
        self._file = sqlite_files.identify(self._path)
        self._connection = sqlite_files.connect(self._path)
        sqlite_files.prepare(self._connection, self._kind)
        sqlite_files.restrict(self._path)
        return self._connection
