"""Reads regular files, up to a limit, without ever blocking on a FIFO or a device."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class IrregularFileError(OSError):
    """The path is not that of a regular file; ``strerror`` says what it is."""


class LargeFileError(OSError):
    """The file is too large.

    Attributes:
        size: its size in bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(errno.EFBIG, "it is too large")
        self.size = size


class ChangedFileError(OSError):
    """The file's size changed while it was being read."""


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a FIFO, a socket or a device"
        raise IrregularFileError(errno.EINVAL, f"this is {kind}")


def read_regular(path: str, limit: int) -> bytes:
    """Return the content of a regular file of fewer than ``limit`` bytes.

    Raises:
        IrregularFileError: the path is a directory, a FIFO, a socket or a device.
        LargeFileError: the file has ``limit`` bytes or more; nothing was read.
        ChangedFileError: its size changed while it was being read.
        OSError: the file is missing or not readable.
        ValueError: the path has a null byte.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # why it cannot be listed says more than that it is a directory
    _require_regular(mode)
    file = os.open(path, _FLAGS)
    try:
        status = os.fstat(file)
        _require_regular(status.st_mode)
        if status.st_size >= limit:
            raise LargeFileError(status.st_size)
        data = read_up_to(partial(os.read, file), status.st_size + 1)
    finally:
        os.close(file)
    if len(data) != status.st_size:
        raise ChangedFileError(errno.EAGAIN, "its size changed while it was read")
    return data


def read_up_to(read: Callable[[int], bytes | bytearray], size: int) -> bytes:
    """Call ``read`` until it has returned ``size`` bytes or returns none; one call may return fewer."""
    chunk = read(size)
    if not chunk or len(chunk) >= size:
        return bytes(chunk)
    chunks = [chunk]
    missing = size - len(chunk)
    while missing > 0 and (chunk := read(missing)):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)
