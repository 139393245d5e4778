"""Database: checks, opens and locks the SQLite file of a store."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wxcv.errors import StoreError
from wxcv.masking import class_name, short_name
from wxcv.stores.file_systems import find_network_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wxcv.clock import Clock

MOUNTS = "/proc/self/mounts"

_BUSY_SECONDS = 1.5  # for another process to let go of the file; less than an operation may take
_APPLICATION_ID = 0x77786376  # "wxcv"
_VERSION = 1
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_REMEDIES = {
    sqlite3.SQLITE_BUSY: "is locked by another process; which one holds it?",
    sqlite3.SQLITE_LOCKED: "is locked by another process; which one holds it?",
    sqlite3.SQLITE_READONLY: "is read-only; let this user write the file and its directory",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk and its free space",
    sqlite3.SQLITE_FULL: "cannot be written, as the disk is full; make room",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; let this user write the file and its directory",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away, and tokens are fetched again and "
    "daily limits start again at 0",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; give another path",
}

_creating = threading.Lock()


class UnusableFileError(Exception):
    """The file cannot be used as a store; the text is the end of a sentence: the cause and the remedy."""


Work = Callable[[sqlite3.Connection, float], Any]


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
        self._tables = tables
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
            reason = _explain(error)
        else:
            return results
        self.close()
        raise StoreError(f"the store {short_name(str(self._path))} {reason}")

    def close(self) -> None:
        """Close the connection and undo what is not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == _identity(self._path):
            return self._connection
        self.close()
        self._path = self._path.resolve()
        self._require_local()
        _create(self._path)
        self._file = _identity(self._path)
        self._connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        _prepare(self._connection, self._tables)
        _restrict(self._path)
        return self._connection

    def _require_local(self) -> None:
        try:
            mounts = self._mounts.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:  # not Linux
            return
        network_type = find_network_type(str(self._path), mounts)
        if network_type is not None:
            raise UnusableFileError(
                f"is on a network file system ({network_type}), where SQLite's locks do not hold; "
                "give a path on a local disk, or use a RedisStore"
            )


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return status.st_dev, status.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside the database."""
    return Path(f"{path}-wal"), Path(f"{path}-shm")


def _create(path: Path) -> None:
    """Create an empty file that only its owner can read, unless there is a file.

    An existing file is not opened here: closing it would release the locks that another store of this process
    has on it. What is left of a deleted database must not be mixed with a new one. An empty
    file may be one whose maker has not removed that yet, and is not used before.
    """
    if not _size(path):
        with _lock_directory(path.parent), _creating:
            _create_empty(path)
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnusableFileError("is a directory or a device; give the path of a file")


def _create_empty(path: Path) -> None:
    orphans = [name for name in _beside(path) if name.exists()]
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        os.close(os.open(path, flags, 0o600))
        for name in orphans:
            name.unlink(missing_ok=True)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise UnusableFileError("cannot be created, as its directory does not exist; create it") from None


@contextmanager
def _lock_directory(directory: Path) -> Iterator[None]:
    """Keep other processes from making files; does nothing where a directory cannot be locked."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:  # Windows, a directory that may not be read, or none: to make the file tells more
        yield
        return
    try:
        deadline = time.monotonic() + _BUSY_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise UnusableFileError(
                    "cannot be made, as another process makes it or has locked its directory; which one?"
                )
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)  # which unlocks it


def _try_lock(descriptor: int) -> bool:
    """Return False if another process has the lock."""
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415 - not on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # the file system has no locks for directories
            return True
    return True


def _prepare(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Check that the file is ours or empty before anything is written; create the tables of an empty one."""
    connection.execute("BEGIN")  # so that no half created file is seen
    is_new = not _is_ours(connection)
    connection.execute("COMMIT")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    if not is_new:
        return
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ours(connection):  # another process may have been first
        for statement in tables:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={_VERSION}")
    connection.execute("COMMIT")


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Return True for a store, False for an empty file; refuse everything else."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == _APPLICATION_ID and version == _VERSION:
        return True
    if application == _APPLICATION_ID:
        raise UnusableFileError("was made by another version of wxcv; give another path")
    if application or version or objects:
        raise UnusableFileError("is an SQLite database of another program; give another path")
    return False


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode. While several processes do so at once, SQLite does not wait by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    if mode != "wal":
        raise UnusableFileError("is on a file system without shared memory; give a path on a local disk")


def _restrict(path: Path) -> None:
    """Keep other users from reading the tokens."""
    for name in (path, *_beside(path)):
        with suppress(FileNotFoundError):
            if os.name == "posix" and name.stat().st_mode & _OTHERS:
                name.chmod(0o600)


def _explain(error: Exception) -> str:
    """Return the cause and the remedy, as the end of a sentence about the file."""
    if isinstance(error, UnusableFileError):
        return str(error)
    if isinstance(error, PermissionError):
        return "cannot be opened; let this user, as its owner, write the file and its directory"
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror or class_name(error)}); check the path and the disk"
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", class_name(error))
    return f"{_REMEDIES.get(code & 0xFF, 'failed')} ({name})"
