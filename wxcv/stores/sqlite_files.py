"""What the SQLite files of wxcv share: how one is made, checked and opened, and its errors described."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wxcv.masking import class_name
from wxcv.stores.file_systems import find_network_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOUNTS = "/proc/self/mounts"

_BUSY_SECONDS = 1.5  # for another process to let go of the file; less than an operation may take
Error = sqlite3.Error
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_REMEDIES = {
    sqlite3.SQLITE_BUSY: "is locked by another process; which one holds it?",
    sqlite3.SQLITE_LOCKED: "is locked by another process; which one holds it?",
    sqlite3.SQLITE_READONLY: "is read-only; let this user write the file and its directory",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk and its free space",
    sqlite3.SQLITE_FULL: "cannot be written, as the disk is full; make room",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; let this user write the file and its directory",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; give another path",
}

_FOREIGN = "is an SQLite database of another program; give another path"

_creating = threading.Lock()


class UnusableFileError(Exception):
    """The file cannot be used; the text is the end of a sentence: the cause and the remedy."""


class FileKind(NamedTuple):
    """What an SQLite file of wxcv is for.

    Attributes:
        application_id, version: what is in its header.
        tables: the statements that create the tables of a new file.
        damage_remedy: what to do with a damaged one.
        network_remedy: what to do instead of using one on a network file system.
    """

    application_id: int
    version: int
    tables: Sequence[str]
    damage_remedy: str
    network_remedy: str


def require_local(path: Path, mounts: Path, kind: FileKind) -> None:
    """Refuse a path on a network file system, as the table of mounts tells, which may be missing."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux
        return
    network_type = find_network_type(str(path), table)
    if network_type is not None:
        raise UnusableFileError(
            f"is on a network file system ({network_type}), where SQLite's locks do not hold; "
            f"{kind.network_remedy}"
        )


def connect(path: Path, **flags: str) -> sqlite3.Connection:
    """Connect to a file for one thread; transactions are begun explicitly.

    Args:
        path: the path of the file; an absolute one if there are flags.
        flags: SQLite's flags in URIs, such as ``mode="ro"``.
    """
    if flags:
        words = "&".join(f"{name}={value}" for name, value in flags.items())
        return sqlite3.connect(
            f"{path.as_uri()}?{words}", timeout=_BUSY_SECONDS, isolation_level=None, uri=True
        )
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)


def identify(path: Path) -> tuple[int, int]:
    """Return what identifies the file: its device and inode; (0, 0) if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return status.st_dev, status.st_ino


def find_size(path: Path) -> int:
    """Return the size of a file in bytes, 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def find_log(path: Path) -> Path:
    """Return the file in which SQLite keeps what is not in the database yet."""
    return Path(f"{path}-wal")


def find_unapplied(path: Path) -> Path | None:
    """Return the file without which the database is not whole: its log or its rollback journal; or None."""
    for name in (find_log(path), Path(f"{path}-journal")):
        if find_size(name):
            return name
    return None


def find_companions(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside the database."""
    return find_log(path), Path(f"{path}-shm")


def create(path: Path) -> None:
    """Create an empty file that only its owner can read, unless there is a file.

    An existing file is not opened here: closing it would release the locks that another store of this process
    has on it. What is left of a deleted database must not be mixed with a new one. An empty
    file may be one whose maker has not removed the remains yet, so that this waits for the maker.
    """
    if not find_size(path):
        with _lock_directory(path.parent), _creating:
            _create_empty(path)
    require_file(path)


def require_file(path: Path) -> None:
    """Refuse what exists and is not a regular file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnusableFileError("is a directory or a device; give the path of a file")


def _create_empty(path: Path) -> None:
    orphans = [name for name in find_companions(path) if name.exists()]
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


def prepare(connection: sqlite3.Connection, kind: FileKind) -> None:
    """Check that the file is ours or empty before anything is written; create the tables of an empty one."""
    connection.execute("BEGIN")  # so that no half-made file is seen
    is_new = not is_ours(connection, kind)
    connection.execute("COMMIT")
    use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    if not is_new:
        return
    connection.execute("BEGIN IMMEDIATE")
    if not is_ours(connection, kind):  # another process may have been first
        create_tables(connection, kind)
    connection.execute("COMMIT")


def create_tables(connection: sqlite3.Connection, kind: FileKind) -> None:
    """Make an empty file one of this kind, in a transaction that has begun."""
    for statement in kind.tables:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={kind.application_id}")
    connection.execute(f"PRAGMA user_version={kind.version}")


def is_ours(connection: sqlite3.Connection, kind: FileKind) -> bool:
    """Return True for a file of this kind, False for an empty one; refuse everything else."""
    if _has_header(connection, kind):
        return True
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if objects:
        raise UnusableFileError(_FOREIGN)
    return False


def is_header_ours(path: Path, kind: FileKind) -> bool:
    """Return what ``is_ours`` does, by the header alone; the path is absolute, and no file is touched.

    What SQLite keeps beside the database is not read, so that the rest of the file may be out of date.
    """
    with closing(connect(path, mode="ro", immutable="1")) as connection:
        # SQLite would call a file damaged that is shorter than its header says, as it is while the log
        # is being applied.
        connection.execute("PRAGMA writable_schema=ON")
        if _has_header(connection, kind):
            return True
        (changes,) = connection.execute("PRAGMA schema_version").fetchone()
        if changes:
            raise UnusableFileError(_FOREIGN)
        return False


def _has_header(connection: sqlite3.Connection, kind: FileKind) -> bool:
    """Return True for the header of this kind, False for one without numbers; refuse everything else."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == kind.application_id and version == kind.version:
        return True
    if application == kind.application_id:
        raise UnusableFileError("was made by another version of wxcv; give another path")
    if application or version:
        raise UnusableFileError(_FOREIGN)
    return False


def use_wal(connection: sqlite3.Connection) -> None:
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


def restrict(path: Path) -> None:
    """Keep other users from reading the file and what SQLite keeps beside it."""
    for name in (path, *find_companions(path)):
        with suppress(FileNotFoundError):
            if os.name == "posix" and name.stat().st_mode & _OTHERS:
                name.chmod(0o600)


def explain(error: Exception, kind: FileKind) -> str:
    """Return the cause and the remedy, as the end of a sentence about the file."""
    if isinstance(error, UnusableFileError):
        return str(error)
    if isinstance(error, PermissionError):
        return "cannot be opened; let this user, as its owner, write the file and its directory"
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror or class_name(error)}); check the path and the disk"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", class_name(error))
    reason = (
        f"is damaged; {kind.damage_remedy}"
        if code == sqlite3.SQLITE_CORRUPT
        else _REMEDIES.get(code, "failed")
    )
    return f"{reason} ({name})"
