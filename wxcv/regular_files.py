"""Reads regular files: to a limit, and without waiting on a FIFO or a device."""

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
    """The path leads to no regular file; ``strerror`` says to what."""


class LargeFileError(OSError):
    """The file is too large.

    Attributes:
        size: bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(errno.EFBIG, "it is too large")
        self.size = size


class ChangedFileError(OSError):
    """The file's size changed while it was read."""


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a FIFO, a socket or a device"
        raise IrregularFileError(errno.EINVAL, f"this is {kind}")


def read_regular(path: str, limit: int) -> bytes:
    """Return the whole content of a regular file with less than ``limit`` bytes.

    Raises:
        IrregularFileError, LargeFileError, ChangedFileError: as they say.
        OSError: the file is missing, or may not be read.
        ValueError: there is a null byte in the path.
    """
    _require_regular(os.stat(path).st_mode)
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
    """Call ``read`` until there are ``size`` bytes or it returns none; a raw file may return less at a time."""
    chunk = read(size)
    if not chunk or len(chunk) >= size:
        return bytes(chunk)
    chunks = [chunk]
    missing = size - len(chunk)
    while missing > 0 and (chunk := read(missing)):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)
