"""Errors for images that wxcv refuses before anything is sent."""

from __future__ import annotations

from wxcv.errors.base import WxcvError


class ImageError(WxcvError, ValueError):
    """wxcv refused the image; nothing was sent and no quota was used. Fix the image and try again."""

    user_message = "The image cannot be used."

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(f"{image}: {reason}")
        self.image = image


class ImageTooLargeError(ImageError):
    """The image is too large. WeChat accepts files of less than 2 MB.

    Attributes:
        size: size of the image in ``unit``; None for a stream that was not read to its end.
        limit: size in ``unit`` that an image must stay below.
        unit: the unit of size and limit: "bytes", or "pixels" of a picture that ``wxcv.fit`` does not decode.
    """

    user_message = "The image is too large."

    def __init__(
        self, image: str, size: int | None, limit: int, unit: str = "bytes", *, is_fittable: bool = False
    ) -> None:
        shown = f"at least {limit:,}" if size is None else f"{size:,}"
        remedy = "scale it down or compress it more" if unit == "bytes" else "scale it down"
        if is_fittable:
            remedy = "scale it down, compress it more, or pass Session(fit=True) (extra: fit)"
        super().__init__(
            image, f"it has {shown} {unit}, but an image must have fewer than {limit:,}; {remedy}"
        )
        self.size = size
        self.limit = limit
        self.unit = unit


class EmptyImageError(ImageError):
    """The image has no bytes: the file is empty, or the file object is at its end."""

    user_message = "The image is empty."


class UnsupportedImageError(ImageError):
    """The first bytes are not those of an image format that WeChat is known to read."""

    user_message = "This file is not a supported image; please use a JPEG or PNG."


class UnreadableImageError(ImageError):
    """The image cannot be read: missing, not a regular file, not permitted, or changed while being read.

    Also raised for a path in a session with ``local_files=False``, and for an object that is not an image.
    """

    user_message = "The image could not be read."


class InvalidImageUrlError(ImageError):
    """The URL cannot be passed to WeChat as ``img_url``."""

    user_message = "The address of the image is not valid."
