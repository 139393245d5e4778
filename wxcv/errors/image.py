"""Images that are refused here, before anything is sent."""

from __future__ import annotations

from wxcv.errors.base import WxcvError


class ImageError(WxcvError, ValueError):
    """The image was refused here; nothing was sent and no quota was used. The caller must mend it."""

    user_message = "The image cannot be used."

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(f"{image}: {reason}")
        self.image = image


class ImageTooLargeError(ImageError):
    """The image reaches the limit. WeChat takes files of less than 2 MB.

    Attributes:
        size: bytes of the image; None for a stream whose end was not reached.
        limit: bytes; an image must be smaller.
    """

    user_message = "The image is too large."

    def __init__(self, image: str, size: int | None, limit: int) -> None:
        told = f"at least {limit:,}" if size is None else f"{size:,}"
        super().__init__(
            image,
            f"it has {told} bytes, but an image must have fewer than {limit:,}; "
            "scale it down or compress it more",
        )
        self.size = size
        self.limit = limit


class EmptyImageError(ImageError):
    """The image has no bytes: an empty file, or a file object that stands at its end."""

    user_message = "The image is empty."


class UnsupportedImageError(ImageError):
    """The first bytes are not those of an image that WeChat is known to read."""

    user_message = "This file is not a supported image; please use a JPEG or PNG."


class UnreadableImageError(ImageError):
    """The image cannot be read: missing, not a regular file, no permission, or it changed meanwhile.

    Also for a path where the session takes none (``local_files=False``), and for an object that is no image.
    """

    user_message = "The image could not be read."


class InvalidImageUrlError(ImageError):
    """The URL cannot be handed to WeChat as ``img_url``."""

    user_message = "The address of the image is not valid."
