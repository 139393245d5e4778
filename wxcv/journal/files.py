"""JournalFile: checks, locks and opens the file of a journal."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wxcv.journal import results, statements
from wxcv.journal.locks import FileLock
from wxcv.masking import short_name
from wxcv.stores import sqlite_files
from wxcv.stores.sqlite_files import MOUNTS, FileKind, UnusableFileError

if TYPE_CHECKING:
    import sqlite3

KIND = FileKind(
    0x7778636A,  # "wxcj"
    1,
    statements.TABLES,
    damage_remedy="move it away and start a new one, or put back a copy",
    network_remedy="give a path on a local disk",
)

NO_JOURNAL = "has no journal in it; give another path"


class JournalFile:
    """The file of a journal, opened and locked for all threads by the first one that needs it.

    Args:
        path: the path of the file.
        mounts: the path of the system's table of mounts, which may be missing.
    """

    def __init__(self, path: str, mounts: str = MOUNTS) -> None:
        self._path = Path(path)
        self._mounts = Path(mounts)
        self._mutex = threading.Lock()
        self._lock: FileLock | None = None
        self._identity = (0, 0)
        self._log_identity = (0, 0)
        self._connected = 0

    def connect(self, now: float) -> sqlite3.Connection:
        """Return a connection for the calling thread; ``now`` is the Unix time.

        Raises:
            UnusableFileError, OSError, sqlite3.Error: it cannot be used; what is no journal is unchanged.
        """
        with self._mutex:
            if self._lock is None:
                self._open(now)
            try:
                connection = self._open_connection()
            except BaseException:
                if not self._connected:
                    self._release()
                raise
            if not self._connected:
                self._log_identity = sqlite_files.identify(sqlite_files.find_log(self._path))
            self._connected += 1
            return connection

    def disconnect(self, connection: sqlite3.Connection) -> None:
        """Close a connection; after the last one the log is empty, and the file is unlocked."""
        with self._mutex:
            self._connected -= 1
            with suppress(sqlite_files.Error):
                if not self._connected:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with suppress(sqlite_files.Error):
                connection.close()
            if not self._connected:
                self._release()

    def check(self) -> None:
        """Raise UnusableFileError if the file, its log or its lock is not the one that was opened."""
        if self._lock is None or not self._lock.is_held:
            raise UnusableFileError(
                "is no longer locked, as its .lock file was deleted; do not delete that during a run"
            )
        if self._is_replaced():
            raise UnusableFileError(
                "was deleted or replaced while it was in use, or the -wal file beside it was; do not touch "
                "them during a run"
            )

    def is_whole_after(self, error: Exception) -> bool:
        """Return whether all that was recorded is still there after an error."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        try:
            return code not in sqlite_files.DAMAGE and not self._is_replaced()
        except OSError:
            return False

    def _is_replaced(self) -> bool:
        log = sqlite_files.find_log(self._path)
        found = sqlite_files.identify(self._path), sqlite_files.identify(log)
        return found != (self._identity, self._log_identity)

    def explain(self, error: Exception) -> str:
        """Return a sentence about an error, with the cause and the remedy."""
        return describe(self._path, error)

    def _open_connection(self) -> sqlite3.Connection:
        connection = sqlite_files.connect(self._path)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            sqlite_files.is_ours(connection, KIND)  # which opens the log
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, now: float) -> None:
        self._path = resolve(self._path)
        sqlite_files.require_local(self._path, self._mounts, KIND)
        lock = _lock(self._path)
        try:
            _refuse_foreign(self._path)
            _refuse_leftovers(self._path)
            sqlite_files.create(self._path)
            _require_undamaged(self._path)
            self._identity = sqlite_files.identify(self._path)
            with closing(sqlite_files.connect(self._path)) as connection:
                _make_tables(connection)
                sqlite_files.use_wal(connection)
                sqlite_files.restrict(self._path)
                statements.mark_lost(connection, results.LOST, now)
                self._lock = lock
        finally:
            if self._lock is None:
                lock.release()

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def describe(path: Path, error: Exception) -> str:
    """Return a sentence about an error with a journal, with the cause and the remedy."""
    return f"the journal {short_name(str(path))} {sqlite_files.explain(error, KIND)}"


def resolve(path: Path) -> Path:
    """Return the absolute path of a file, without symbolic links."""
    try:
        resolved = path.resolve()
        is_loop = resolved.is_symlink()
    except RuntimeError:  # Python 3.11 and 3.12
        is_loop = True
    if is_loop:
        raise UnusableFileError("is a link that leads to itself; give the path of a file")
    return resolved


def require_journal(path: Path) -> None:
    """Raise UnusableFileError, or an error of SQLite, if the header is no journal's; no file is touched."""
    if not sqlite_files.is_header_ours(path, KIND):
        raise UnusableFileError(NO_JOURNAL)


def _refuse_foreign(path: Path) -> None:
    if path.exists():
        sqlite_files.require_file(path)
        if path.stat().st_size:
            require_journal(path)


def _lock(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except FileNotFoundError:
        raise UnusableFileError("cannot be created, as its directory does not exist; create it") from None


def _refuse_leftovers(path: Path) -> None:
    """Refuse to begin a new journal beside what SQLite has kept of another one."""
    log = sqlite_files.find_log(path)
    if not sqlite_files.find_size(path) and sqlite_files.find_size(log):
        raise UnusableFileError(
            f"is missing or empty, but {log.name} is not; put the journal back, or move {log.name} away"
        )


def _require_undamaged(path: Path) -> None:
    """Look for damage before anything is recorded, with what SQLite keeps beside the file applied to it."""
    if not sqlite_files.find_size(path):
        return
    unapplied = sqlite_files.find_unapplied(path)
    if unapplied is None:  # with a connection that leaves the file as it is
        flags = {"mode": "ro", "immutable": "1"}
    else:  # a log can be read as it is; a rollback journal must be applied
        flags = {"mode": "ro" if unapplied == sqlite_files.find_log(path) else "rw"}
    with closing(sqlite_files.connect(path, **flags)) as connection:
        if is_damaged(connection, path):
            raise UnusableFileError(f"is damaged; {KIND.damage_remedy}")


def is_damaged(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is damaged, or cut where SQLite does not see it.

    The connection must be one that reads what SQLite keeps beside the file, unless there is nothing.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    has_log = sqlite_files.find_unapplied(path) is not None  # which may have the missing part
    return found != "ok" or (not has_log and sqlite_files.find_size(path) % page > 0)


def _make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file before it has a log, so that nobody sees it without them."""
    connection.execute("BEGIN IMMEDIATE")
    if not sqlite_files.is_ours(connection, KIND):
        sqlite_files.create_tables(connection, KIND)
    connection.execute("COMMIT")


def compact(connection: sqlite3.Connection) -> None:
    """Rewrite the file without a trace of what was deleted, and empty the log."""
    connection.execute("VACUUM")
    (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise UnusableFileError(
            "is being read by another process, so that traces of what was deleted remain; try again later"
        )
