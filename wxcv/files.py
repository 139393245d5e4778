"""Reads an image from a path or a file object: once, to a bound, and never waiting on what is no file."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING, Protocol

from wxcv.errors import ImageTooLargeError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME_LENGTH = 100
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class BinaryFile(Protocol):
    """A file object opened in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; fewer at the end."""


def shown(text: str) -> str:
    """Return the text on one line, printable, encodable and not too long."""
    printable = text[-4 * _NAME_LENGTH :]
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in printable)
    return printable if len(printable) <= _NAME_LENGTH else "…" + printable[-_NAME_LENGTH:]


def path_name(path: str | os.PathLike[str]) -> str:
    """Return a path for people."""
    return shown(os.fsdecode(path))


def file_name(file: object) -> str:
    """Return the name of a file object, or its class, for people."""
    given = getattr(file, "name", None)
    return shown(given) if isinstance(given, str) else f"<{type(file).__name__}>"


def read_path(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a regular file, at most ``limit`` bytes of it.

    Raises:
        ImageTooLargeError: it has ``limit`` bytes or more; nothing was read.
        UnreadableImageError: it is missing, no regular file, may not be read, or changed meanwhile.
    """
    name = path_name(path)
    try:
        return _read_regular(os.fsdecode(path), name, limit)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except (ImageTooLargeError, UnreadableImageError):
        raise
    except ValueError as error:
        reason = str(error)
    raise UnreadableImageError(name, f"cannot be read ({reason}); check the path and its permissions")


def read_file(file: BinaryFile, limit: int) -> bytes:
    """Read a file object from where it stands, at most ``limit`` bytes.

    Raises:
        UnreadableImageError: whatever it raised, or it gave no bytes.
    """
    try:
        return _read_upto(file.read, limit)
    except BaseException as error:  # noqa: BLE001 - a caller's file object may raise anything, in a thread
        reason = f"{type(error).__name__}: {error}"
    raise UnreadableImageError(file_name(file), f"the file object cannot be read ({reason})")


def _require_regular(mode: int, name: str) -> None:
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a FIFO, a socket or a device"
        raise UnreadableImageError(name, f"this is {kind}; pass the path of an image file")


def _read_regular(path: str, name: str, limit: int) -> bytes:
    """Read at most limit bytes of a regular file; never wait on a FIFO or a device."""
    _require_regular(os.stat(path).st_mode, name)
    file = os.open(path, _FLAGS)
    try:
        status = os.fstat(file)
        _require_regular(status.st_mode, name)
        if status.st_size >= limit:
            raise ImageTooLargeError(name, status.st_size, limit)
        data = _read_upto(partial(os.read, file), status.st_size + 1)
    finally:
        os.close(file)
    if len(data) != status.st_size:
        raise UnreadableImageError(
            name, "its size changed while it was read; try again when its writer has finished"
        )
    return data


def _read_upto(read: Callable[[int], bytes], size: int) -> bytes:
    """Read until size bytes or the end; a raw file may give less at a time."""
    chunk = _bytes(read(size))
    if not chunk or len(chunk) >= size:
        return bytes(chunk)
    chunks = [chunk]
    missing = size - len(chunk)
    while missing > 0 and (chunk := _bytes(read(missing))):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def _bytes(chunk: bytes) -> bytes:
    if isinstance(chunk, (bytes, bytearray)):
        return chunk
    raise TypeError("its read() gave no bytes; open it in binary mode ('rb'), not in text or async mode")
