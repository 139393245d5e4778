"""fit: makes a picture smaller than WeChat's limit, with as little loss as possible."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

import attrs

from wxcv import checks
from wxcv.callbacks import CallbackError
from wxcv.errors import (
    EmptyImageError,
    ImageError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedImageError,
)
from wxcv.images.encoding import Encoder
from wxcv.images.files import FIT_LIMIT, file_name, path_name, read_file, read_path
from wxcv.images.pictures import open_picture, read_orientation, read_pixels, require_packages, stored_size
from wxcv.images.reading import copy_buffer
from wxcv.images.sources import (
    IMAGE_LIMIT,
    ImageBytes,
    ImageUrl,
    image_type,
    looks_like_url,
)
from wxcv.masking import class_name, short_name
from wxcv.values import Value

if TYPE_CHECKING:
    from wxcv.images.files import BinaryFile

INPUT_LIMIT = FIT_LIMIT
"""Bytes that a file must stay below to be read."""

_LEAST_LIMIT = 16_384
CONVERTED = {"image/heic", "image/avif"}
"""What WeChat is not known to read."""


@attrs.frozen(repr=False)
class FittedImage(Value):
    """An image file that WeChat accepts, as ``wxcv.fit`` returns it.

    Attributes:
        data: the bytes of the image file.
        content_type: its content type: "image/jpeg", "image/png", or that of an image that was small enough.
        scale: the length of a side divided by that of the original; above 0, at most 1.
        size: width and height in pixels, as stored in the file; an EXIF orientation is not applied.
        original_size: width and height of the original in pixels, in the same way.
    """

    data: bytes = attrs.field(repr=lambda data: f"<{len(data):,} bytes>")
    content_type: str
    scale: float
    size: tuple[int, int]
    original_size: tuple[int, int]


def fit(
    image: bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryFile | ImageBytes,
    limit: int = IMAGE_LIMIT,
) -> FittedImage:
    """Make a picture smaller than ``limit`` bytes, with as little loss as possible (extra: ``fit``).

    An image that is small enough is returned unchanged. For any other one, the first of these files that is
    small enough is returned:

    1. a JPEG in its own quality, without the metadata; or, without any loss, a picture of at most 256 colours
       as a PNG, and a PNG that is nearly small enough as a PNG with better compression;
    2. a JPEG of quality 95, 90 or 85 at full size;
    3. a JPEG of quality 85, scaled down as little as necessary.

    HEIC and AVIF, which WeChat is not known to read, are converted even if they are small enough, provided
    that Pillow can open them (AVIF from Pillow 11.3; for HEIC register a plug-in such as pillow-heif).

    The picture is never rotated: an EXIF orientation is copied, not applied. The position ``p`` in the result
    is ``(p + 0.5) / scale - 0.5`` in the original. Of an animated image, the first frame is used. As a JPEG
    has no transparency, a transparent picture gets a black background if it is light, else a white one. 16
    bits a channel become 8, and CMYK becomes RGB. A colour profile of up to 4,096 bytes is kept; other
    metadata, such as the place where a photo was taken, are removed.

    This can occupy a processor for a second or more and takes several bytes of memory for each pixel. In an
    event loop, call ``await asyncio.to_thread(wxcv.fit, image)``.

    Args:
        image: bytes, a path, a binary file object (read from its current position) or ImageBytes, whose
            content type is ignored. It must have fewer than 50,000,000 bytes and, if it has to be decoded,
            fewer than 100,000,000 pixels according to its header.
        limit: size in bytes that the result stays below, 16,384 to 10 ** 9; 2,097,152 by default, as WeChat's
            pages say "less than 2 MB".

    Raises:
        ImageTooLargeError: the image has too many bytes or pixels, or cannot be made small enough.
        EmptyImageError: it has no bytes.
        UnreadableImageError: it cannot be read or decoded, or is a URL.
        UnsupportedImageError: its first bytes are not those of an image, Pillow cannot open the format, or it
            is a TIFF of a fax compression.
        ValueError: limit is out of range.
        ImportError: the extra is not installed.
    """
    checks.check_integer("limit", limit, least=_LEAST_LIMIT)
    require_packages("wxcv.fit", "fit", PIL="pillow")
    try:
        name, data = _read(image)
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - an object of a caller's may raise anything
        failure = CallbackError(error)
    else:
        return fit_data(name, data, limit)
    raise UnreadableImageError(f"<{class_name(image)}>", f"the image cannot be read ({failure})")


def fit_data(name: str, data: bytes, limit: int) -> FittedImage:
    """Do what ``fit`` does, with bytes that have been read and a name for errors."""
    if not data:
        raise EmptyImageError(name, "no bytes: the file is empty, or the file object is at its end")
    kind = image_type(data)
    if kind is None:
        raise UnsupportedImageError(
            name,
            f"not a supported image, judging by its first bytes {data[:8]!r}; pass JPEG, PNG, GIF, BMP, "
            "WebP, TIFF, HEIC or AVIF",
        )
    with open_picture(name, data, kind) as picture:
        size = stored_size(picture)
        if len(data) < limit and kind not in CONVERTED:
            return FittedImage(data, kind, 1.0, size, size)
        orientation = read_orientation(picture)
        pixels = read_pixels(name, picture)
        encoded = Encoder(pixels, picture, len(data), orientation).encode_below(limit)
    if encoded is None:
        raise ImageTooLargeError(name, len(data), limit)
    scale = max(encoded.size) / max(size)
    return FittedImage(encoded.data, encoded.content_type, scale, encoded.size, size)


def _read(image: Any) -> tuple[str, bytes]:  # noqa: ANN401 - checked here
    if isinstance(image, ImageUrl) or (isinstance(image, str) and looks_like_url(image)):
        name = image.name if isinstance(image, ImageUrl) else "<URL>"
        raise UnreadableImageError(name, "this is a URL; download the image and pass its bytes")
    if isinstance(image, ImageBytes):
        return copy_buffer(image.data, INPUT_LIMIT, image.name)
    if isinstance(image, (str, os.PathLike)):
        return path_name(image), read_path(image, INPUT_LIMIT)
    if hasattr(image, "read"):
        return file_name(image), _read_file(image)
    try:
        return copy_buffer(image, INPUT_LIMIT)
    except (TypeError, ValueError, BufferError) as error:
        if isinstance(error, ImageError):
            raise
    name = short_name(f"<{class_name(image)}>")
    raise UnreadableImageError(name, "not an image; pass bytes, a path or a binary file object")


def _read_file(file: Any) -> bytes:  # noqa: ANN401 - checked by read_file
    data = read_file(file, INPUT_LIMIT)
    if isinstance(data, bytes):
        return data
    if inspect.iscoroutine(data):
        data.close()
    raise UnreadableImageError(
        file_name(file), "its read() must be awaited; pass the bytes: fit(await file.read())"
    )
