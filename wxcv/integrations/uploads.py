"""UploadBuffer: holds an uploaded image, never more of it than the limit."""

from __future__ import annotations

import io

import wxcv

IMAGE_LIMIT = 2 * 1024 * 1024
"""Size in bytes that an uploaded image must stay below, as that of a Session by default."""

FORM_LIMIT = 64 * 1024
"""Bytes of a form that are not the image: its boundaries, headers and other fields."""


def check_upload(limit: int, field: str) -> None:
    """Check the settings of an upload.

    Raises:
        ValueError, TypeError: one is unusable; the message names it.
    """
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be an int, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError("limit must be at least 1")
    if not isinstance(field, str) or not field:
        raise TypeError("field must be a str that is not empty")


class UploadBuffer:
    """Counts the body of a request and holds the image in it.

    Args:
        limit: size in bytes that the image must stay below.
        content_length: the header Content-Length, or None.
        is_form: whether the body is a form with the image in it, or the image itself.

    Raises:
        ImageTooLargeError: the header says that the image is too large; nothing was read.
    """

    def __init__(self, limit: int, content_length: str | None, *, is_form: bool) -> None:
        self._limit = limit
        self._body_limit = limit + FORM_LIMIT if is_form else limit
        self._body_size = 0
        self._image = io.BytesIO()  # its value is not copied
        if content_length is not None and content_length.isdecimal():
            length = content_length.lstrip("0")[:20]
            self._check(int(length or "0"), self._body_limit, is_known=True)

    def count(self, size: int) -> None:
        """Count bytes of the body, before they are taken apart or held.

        Raises:
            ImageTooLargeError: the body is larger than the limit and what belongs to a form.
        """
        self._body_size += size
        self._check(self._body_size, self._body_limit)

    def write(self, chunk: bytes | memoryview) -> None:
        """Hold bytes of the image.

        Raises:
            ImageTooLargeError: the image reaches the limit; the chunk is not held.
        """
        self._check(self._image.tell() + len(chunk), self._limit)
        self._image.write(chunk)

    def to_image(self, name: str | None = None) -> wxcv.ImageBytes:
        """Return the image, with the name of the file for messages."""
        return wxcv.ImageBytes(self._image.getvalue(), name=name or "the uploaded image")

    def _check(self, size: int, limit: int, *, is_known: bool = False) -> None:
        if size >= limit:
            raise wxcv.ImageTooLargeError("the uploaded image", size if is_known else None, self._limit)


def make_missing_error(field: str) -> wxcv.UnreadableImageError:
    """Return the error for a form without the image."""
    return wxcv.UnreadableImageError(
        "the uploaded form",
        f"it has no file in the field {field}; name the field so, or send the image as the body",
    )


def make_damaged_error() -> wxcv.UnreadableImageError:
    """Return the error for a form that cannot be taken apart."""
    return wxcv.UnreadableImageError("the uploaded form", "it is not complete multipart/form-data")
