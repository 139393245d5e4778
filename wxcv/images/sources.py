"""The images that may be sent: checked bytes under the limit, or a checked URL that WeChat fetches."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import attrs

from wxcv.errors import (
    EmptyImageError,
    InvalidImageUrlError,
    UnsupportedImageError,
)
from wxcv.images.files import AsyncBinaryFile, BinaryFile
from wxcv.masking import class_name, short_name
from wxcv.values import Value

if TYPE_CHECKING:
    from typing_extensions import Buffer

IMAGE_LIMIT = 2 * 1024 * 1024
"""Size in bytes that an image must stay below; WeChat's documentation says "less than 2 M"."""

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/webp": "webp",
    "image/tiff": "tiff",
}
_STARTS = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_CONTENT_TYPE = r"(?a)[\w.+-]+/[\w.+-]+"
_HEIF_BRANDS = dict.fromkeys((b"avif", b"avis"), "image/avif") | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"
)
URL_LIMIT = 4096
"""Maximum characters of an ``img_url``."""

_URL_START = r"(?i)\s*([a-z][a-z0-9+.-]*)://|\s*(data|file|cloud|https?):"
_ENCODED_URL = r"(?i)\s*https?%3a"
_QUERY_START = r"(?i)[?#]|%(?:25)*(?:3f|23)"
_USER_END = "@|%(?:25)*40"
_NOT_IN_URL = r"[\x00-\x20\x7f-\x9f\s\ud800-\udfff]"


@attrs.frozen(repr=False)
class ImageUrl(Value):
    """The URL of an image that WeChat fetches itself.

    Args:
        url: an http or https URL of at most 4,096 characters with a host, not percent-encoded as a whole
            (wxcv encodes it once), without a user part, spaces or control characters. It must be publicly
            reachable.

    Raises:
        InvalidImageUrlError: any of these conditions is not met.
    """

    url: str = attrs.field(repr=lambda url: repr(_url_name(url)))

    def __attrs_post_init__(self) -> None:
        fault = _url_fault(self.url)
        if fault:
            raise InvalidImageUrlError(_refused_url_name(self.url), fault)

    @property
    def name(self) -> str:
        """Scheme, host and path, for messages; the query may hold a signature and is left out."""
        return _url_name(self.url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts to mask if a server repeats them: the URL without its scheme, and the query alone."""
        rest, _, query = self.url.partition("//")[2].partition("?")
        return (f"{rest}?{query}", query) if query else (rest,)


def _url_name(url: str) -> str:
    if not isinstance(url, str):
        return f"<{class_name(url)}>"
    return short_name(_without_query(url))


def _without_query(url: str) -> str:
    return re.split(_QUERY_START, url[:URL_LIMIT], maxsplit=1)[0]


def _refused_url_name(url: str) -> str:
    """Return the name of a URL whose parts may not be what they look like.

    What precedes an @, encoded or not, may be a user and a password, and a password may hold ? and #.
    """
    if not isinstance(url, str):
        return _url_name(url)
    before_query = _without_query(url)
    if re.search(_USER_END, url[len(before_query) :]):
        return "<URL>"
    return short_name(re.split(_USER_END, before_query)[-1])


def _url_fault(url: str) -> str:  # noqa: PLR0911 - one return a fault
    if not isinstance(url, str):
        return f"a URL must be a str, not {class_name(url)}"
    if len(url) > URL_LIMIT:
        return f"the URL has {len(url):,} characters, but at most {URL_LIMIT:,} are allowed; upload the bytes"
    if re.match(_ENCODED_URL, url):
        return "the URL is percent-encoded as a whole; pass it unencoded, as wxcv encodes it"
    if re.search(_NOT_IN_URL, url):
        return "the URL holds spaces or control characters; strip them, or percent-encode them in its path"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the URL cannot be parsed; check its host and port"
    if parts.scheme not in {"http", "https"}:
        return (
            "only http and https URLs can be fetched by WeChat; pass the bytes, or the path of a local file"
        )
    if parts.username is not None or parts.password is not None:
        return "the URL has a user part, which would be sent to WeChat; remove it or upload the bytes"
    return "" if host else "the URL has no host"


def _validate_data(_image: object, _field: object, value: Any) -> None:  # noqa: ANN401 - checked here
    try:
        memoryview(value)
    except TypeError:
        raise TypeError(f"data must be bytes-like, not {class_name(value)}") from None


def _validate_content_type(_image: object, _field: object, value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(_CONTENT_TYPE, value):
        raise ValueError("content_type must look like image/jpeg")


def _validate_name(_image: object, _field: object, value: str | None) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"name must be a str, not {class_name(value)}")


@attrs.frozen(repr=False)
class ImageBytes(Value):
    """The bytes of an image, with a content type or a name.

    Args:
        data: bytes-like. A call still refuses them if they are empty or too large.
        content_type: the content type of the upload, such as ``image/heic``, sent unchanged. None derives it
            from the first bytes, which must then be those of a supported image.
        name: a name for errors only, such as the name of an uploaded file; it is not sent.

    Raises:
        TypeError: data is not bytes-like, or name is not a str.
        ValueError: content_type is not of the form type/subtype.
    """

    data: Buffer = attrs.field(repr=False, validator=_validate_data)
    content_type: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(_validate_content_type)
    )
    name: str | None = attrs.field(default=None, validator=_validate_name)


class LocalImage(NamedTuple):
    """An image that may be uploaded, as an AnswerSource gets it.

    Attributes:
        name: a short one, for errors only.
        data: the file; it is never empty.
        content_type: such as "image/png", by the first bytes or as the caller gave it.
        scaled: width and height of this picture and of its original, in pixels; None if it was not fitted.
    """

    name: str
    data: bytes
    content_type: str
    scaled: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def filename(self) -> str:
        """The filename in the upload, derived from the content type; a caller's name could break a header."""
        return f"image.{_EXTENSIONS.get(self.content_type, 'bin')}"

    def __repr__(self) -> str:
        return f"<LocalImage {self.name} {self.content_type}>"


Image = (
    bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | BinaryFile
    | AsyncBinaryFile
    | ImageUrl
    | ImageBytes
)
"""The types of images that a call accepts; any other bytes-like object is accepted too."""


def image_type(data: bytes) -> str | None:
    """Return the content type of an image, decided by its first bytes alone; None if they are of no image."""
    for kind, starts in _STARTS.items():
        if data.startswith(starts):
            return kind
    if data.startswith(b"BM") and data[6:10] == bytes(4):  # the reserved field tells it from text
        return "image/bmp"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return _HEIF_BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None


def _detect_content_type(data: bytes, name: str) -> str:
    kind = image_type(data)
    if kind is None:
        raise UnsupportedImageError(
            name,
            f"not a supported image, judging by its first bytes {data[:8]!r}; send JPEG, PNG, GIF, BMP, WebP "
            "or TIFF (or ImageBytes, to set the content type yourself)",
        )
    if kind not in _EXTENSIONS:
        raise UnsupportedImageError(
            name, "a HEIC or AVIF image, which WeChat is not known to read; convert it to JPEG or PNG"
        )
    return kind


def check_image(data: bytes, name: str, content_type: str | None = None) -> LocalImage:
    """Check bytes whose size has been checked, and detect their content type if none is given."""
    if not data:
        raise EmptyImageError(name, "no bytes: the file is empty, or the file object is at its end")
    return LocalImage(name, data, content_type or _detect_content_type(data, name))


def looks_like_url(text: str) -> bool:
    """Return whether a str is taken as a URL; any other is a path."""
    # One letter before a colon is a Windows drive.
    return bool(re.match(_URL_START, text) or re.match(_ENCODED_URL, text))
