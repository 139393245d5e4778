"""Takes the bytes of an image from a path or from memory; nothing but their size is checked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.errors import ImageError, UnreadableImageError
from wxcv.images.files import make_too_large_error, path_name, read_path
from wxcv.images.sources import ImageBytes, ImageUrl
from wxcv.masking import class_name, short_name

if TYPE_CHECKING:
    import os

    from typing_extensions import Buffer


_CHUNK = 1_000_000
"""Bytes that are copied at a time, as that holds the interpreter's lock."""


class ReadImage(NamedTuple):
    """The bytes of an image, of fewer than the limit they were read with, before their type is checked.

    Attributes:
        name: a short one, for errors only.
        data: the file, which may be empty.
        content_type: the one that the caller gave, or None.
    """

    name: str
    data: bytes
    content_type: str | None = None


def copy_buffer(data: Buffer, limit: int, name: str | None = None) -> tuple[str, bytes]:
    """Return a name for people, and a copy of what could change between two sends; bytes cannot.

    Raises:
        ImageTooLargeError: there are ``limit`` bytes or more.
        TypeError, ValueError, BufferError: it is not bytes-like, or cannot be read any more.
    """
    view = memoryview(data)  # a released one raises ValueError
    shown = short_name(name) if name else f"image of {view.nbytes:,} bytes"
    if view.nbytes >= limit:
        raise make_too_large_error(shown, view.nbytes, limit)
    return shown, data if type(data) is bytes else _copy(view)


def _copy(view: memoryview) -> bytes:
    """Return the bytes of a view; between two chunks of a large one other threads go on."""
    if view.nbytes <= _CHUNK or view.ndim == 0:
        return bytes(view)
    step = max(1, _CHUNK * len(view) // view.nbytes)
    copied = io.BytesIO()
    for start in range(0, len(view), step):
        copied.write(bytes(view[start : start + step]))
    return copied.getvalue()


def is_slow(image: object) -> bool:
    """Return whether ``from_memory`` takes so long with an image that no event loop should wait for it."""
    data = image.data if isinstance(image, ImageBytes) else image
    try:
        return type(data) is not bytes and memoryview(data).nbytes > _CHUNK  # type: ignore[arg-type] # as caught
    except (TypeError, ValueError, BufferError):
        return False


def from_path(path: str | os.PathLike[str], limit: int) -> ReadImage:
    """Read a file; this blocks."""
    return ReadImage(path_name(path), read_path(path, limit))


def from_memory(image: Any, limit: int) -> ReadImage | ImageUrl:  # noqa: ANN401 - checked here
    """Return an image that need not be read from a file.

    Raises:
        ImageError: it is unusable; the message has its name and the remedy.
    """
    if isinstance(image, ImageUrl):
        return image
    if isinstance(image, str):
        return ImageUrl(image)
    if isinstance(image, ImageBytes):
        return ReadImage(*copy_buffer(image.data, limit, image.name), image.content_type)
    try:
        return ReadImage(*copy_buffer(image, limit))
    except ImageError:
        raise
    except (TypeError, ValueError, BufferError):
        pass
    raise UnreadableImageError(
        f"<{class_name(image)}>",
        "not an image; pass bytes, a path, an http(s) URL or a binary file object",
    )
