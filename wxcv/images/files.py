"""Reads an image from a path or a file object, once and up to a limit."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any, Protocol

from wxcv.callbacks import CallbackError, call_back
from wxcv.errors import ImageTooLargeError, UnreadableImageError
from wxcv.masking import class_name, one_line, short_name
from wxcv.regular_files import (
    ChangedFileError,
    IrregularFileError,
    LargeFileError,
    read_regular,
    read_up_to,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

FIT_LIMIT = 50_000_000
"""Bytes that an image must stay below to be fitted."""

_BINARY = "open it in binary mode ('rb'), not in text mode"


class BinaryFile(Protocol):
    """A file object opened in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; fewer at the end."""


class AsyncBinaryFile(Protocol):
    """A file object whose ``read`` is awaited, such as FastAPI's UploadFile."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """Return at most that many bytes; fewer at the end."""


def path_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a path for messages."""
    return short_name(os.fsdecode(path))


def file_name(file: object) -> str:
    """Return the name of a file object, or of its class, for messages."""
    for attribute in ("name", "filename"):
        given = getattr(file, attribute, None)
        if isinstance(given, str) and given:
            return short_name(given)
    return f"<{class_name(file)}>"


def make_too_large_error(name: str, size: int | None, limit: int) -> ImageTooLargeError:
    """Return the error for an image of ``limit`` bytes or more; where fitting it would help, it says so."""
    is_fittable = limit < FIT_LIMIT and (size is None or size < FIT_LIMIT)
    return ImageTooLargeError(name, size, limit, is_fittable=is_fittable)


def read_path(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a regular file of fewer than ``limit`` bytes.

    Raises:
        ImageTooLargeError: it has ``limit`` bytes or more; nothing was read.
        UnreadableImageError: it is missing, not a regular file, not readable, or changed while being read.
    """
    name = path_name(path)
    try:
        return read_regular(os.fsdecode(path), limit)
    except LargeFileError as error:
        raise make_too_large_error(name, error.size, limit) from None
    except IrregularFileError as error:
        fault = f"{error.strerror}; pass the path of an image file"
    except ChangedFileError as error:
        fault = f"{error.strerror}; try again when it has been written completely"
    except OSError as error:
        fault = f"cannot be read ({error.strerror or class_name(error)}); check the path and its permissions"
    except ValueError as error:  # a null byte in the path
        fault = f"cannot be read ({one_line(str(error), 100)}); check the path and its permissions"
    raise UnreadableImageError(name, fault)


def _require_bytes(chunk: object, name: str) -> bytes | bytearray:
    if isinstance(chunk, (bytes, bytearray)):
        return chunk
    raise UnreadableImageError(name, f"its read() returned {class_name(chunk)}, not bytes; {_BINARY}")


def _make_unreadable_error(file: object, failure: CallbackError) -> UnreadableImageError:
    fault = "it is closed" if getattr(file, "closed", False) is True else f"its read() failed ({failure})"
    return UnreadableImageError(file_name(file), fault)


def read_file(
    file: Any,  # noqa: ANN401 - checked here
    limit: int,
    caught: type[BaseException] = Exception,
) -> bytes | Awaitable[bytes]:
    """Read a file object from its current position, at most ``limit`` bytes.

    Args:
        file: a file object.
        limit: maximum bytes to read.
        caught: the exceptions of the file object that become an UnreadableImageError. Ctrl-C must not; but in
            a thread for which an event loop waits, it must: raised there, it would end the loop.

    Returns:
        The bytes, or the awaitable that its first ``read`` returned.

    Raises:
        ImageTooLargeError: it has ``limit`` bytes or more; that many were read.
        UnreadableImageError: it raised one of ``caught`` or did not return bytes.
    """
    name = file_name(file)
    awaited: Awaitable[bytes] | None = None

    def read(size: int) -> bytes | bytearray:
        nonlocal awaited
        chunk = file.read(size)
        if inspect.isawaitable(chunk):
            awaited, chunk = chunk, b""
        return _require_bytes(chunk, name)

    try:
        data = read_up_to(read, limit)
        if awaited is not None:
            return awaited
        size = len(data) if len(data) < limit else _remaining_size(file, len(data))
    except UnreadableImageError:
        raise
    except caught as error:
        failure = CallbackError(error)
    else:
        return _check_size(data, size, name, limit)
    raise _make_unreadable_error(file, failure)


async def read_async_file(file: Any, limit: int, first: Awaitable[bytes] | None = None) -> bytes:  # noqa: ANN401 - checked here
    """Read an async file object as ``read_file`` does.

    Args:
        file: a file object whose ``read`` returns an awaitable.
        limit: maximum bytes to read.
        first: the awaitable that its first ``read`` has already returned, or None.
    """
    name = file_name(file)
    data = bytearray()
    try:
        chunk = await call_back(lambda: file.read(limit) if first is None else first)
        while _require_bytes(chunk, name):
            data += chunk
            if len(data) >= limit:
                break
            chunk = await call_back(file.read, limit - len(data))
    except CallbackError as error:
        failure = error
    else:
        size = getattr(file, "size", None)  # an UploadFile has it, and cannot seek from its end
        return _check_size(bytes(data), size if isinstance(size, int) else None, name, limit)
    raise _make_unreadable_error(file, failure)


def _check_size(data: bytes, size: int | None, name: str, limit: int) -> bytes:
    if len(data) >= limit:
        raise make_too_large_error(name, size, limit)
    return data


def _remaining_size(file: Any, read: int) -> int | None:  # noqa: ANN401 - checked here
    """Return the size in bytes from where reading began to the end, or None if unknown."""
    if not hasattr(file, "seek"):
        return None
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (OSError, ValueError, TypeError):
        return None
    return end - here + read if isinstance(end, int) else None
