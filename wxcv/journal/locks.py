"""FileLock: prevents two runs on one journal at the same time, in one process or in several."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

from wxcv.masking import class_name, short_name
from wxcv.stores.sqlite_files import UnusableFileError

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_CONTENT = r"(?s)(?:wxcv journal lock\npid (\d{1,20})\nhost ([^\n]{0,300})\n)?"
_LONGEST = 1024
_descriptors: set[int] = set()  # those that this process has open; a forked child must not keep them


def _close_inherited() -> None:
    """Close them in a forked child, which would otherwise keep the locks when its parent is killed."""
    while _descriptors:
        with suppress(OSError):
            os.close(_descriptors.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


class FileLock:
    """An exclusive lock on a file beside a journal; the system releases it when the process ends.

    Args:
        path: the path of the journal's file.

    Raises:
        UnusableFileError: another run has the lock, or its file is not ours.
        OSError: the file of the lock cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}.lock")
        self._descriptor = self._acquire()
        _descriptors.add(self._descriptor)

    @property
    def is_held(self) -> bool:
        """Whether the file that is locked is still the one that others would lock."""
        try:
            there = self._path.lstat()
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Release the lock and delete its file."""
        if sys.platform != "win32" and self.is_held:
            with suppress(OSError):
                self._path.unlink()
        _descriptors.discard(self._descriptor)
        os.close(self._descriptor)

    def _acquire(self) -> int:
        """Return the descriptor of the locked file; begin again if another process deleted that meanwhile."""
        while True:
            self._descriptor = self._open()
            try:
                self._lock()
                if self.is_held:
                    self._write_content()
                    return self._descriptor
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS, 0o600)
        except (
            FileNotFoundError,
            PermissionError,
        ):  # the caller explains these: the folder is missing, or may not be written
            raise
        except OSError as error:
            if error.errno == errno.EROFS:
                raise
            reason = error.strerror or class_name(error)
        raise UnusableFileError(
            f"cannot be locked with {short_name(self._path.name)} ({reason}); remove that"
        )

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise UnusableFileError(
                f"has a {short_name(self._path.name)} beside it that is not a file; remove it"
            )
        if not _try_lock(self._descriptor):
            raise UnusableFileError(
                f"is in use by another run{self._describe_owner()}; wait until it ends, or stop it"
            )

    def _describe_owner(self) -> str:
        """Return who has the lock, as its file says; "" if it does not."""
        try:
            owner = self._read_content()
        except UnusableFileError:
            owner = None
        return f" (process {owner[1]} on {short_name(owner[2])})" if owner and owner[1] else ""

    def _read_content(self) -> re.Match[str]:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        text = os.read(self._descriptor, _LONGEST).decode(errors="replace")
        content = re.fullmatch(_CONTENT, text)
        if content is None:
            raise UnusableFileError(
                f"has a {short_name(self._path.name)} beside it that is not a lock of wxcv; move that away"
            )
        return content

    def _write_content(self) -> None:
        self._read_content()
        host = short_name(socket.gethostname())
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"wxcv journal lock\npid {os.getpid()}\nhost {host}\n".encode())


def _try_lock(descriptor: int) -> bool:
    """Return False if another open file has the lock."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - on Windows only

        os.lseek(descriptor, _LONGEST, os.SEEK_SET)  # beyond the content, which others read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
