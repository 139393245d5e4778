"""Requests as values and bytes, without I/O."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from wxcv.images.sources import ImageUrl, LocalImage
from wxcv.masking import one_line

if TYPE_CHECKING:
    from wxcv.endpoints.base import Endpoint

_SURROGATES = "[\ud800-\udfff]"


class Body(NamedTuple):
    """The body of a request, as parts that are written one after another without being joined."""

    content_type: str
    parts: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """The total size in bytes."""
        return sum(map(len, self.parts))

    def __repr__(self) -> str:
        return f"<Body {self.content_type} of {self.size:,} bytes>"


class Request(NamedTuple):
    """One request, relative to a base URL. Its repr shows no secrets."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path} {self.body}>"


def build_target(path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Return the path with the query, percent-encoded once; it holds the token."""
    pairs = "&".join([f"{name}={quote(value, safe='')}" for name, value in query])
    return f"{path}?{pairs}" if pairs else path


def build_json_request(
    path: str, fields: Mapping[str, object], query: tuple[tuple[str, str], ...] = ()
) -> Request:
    """Make a POST request with a JSON body, as WeChat's token endpoints require."""
    return Request("POST", path, query, Body("application/json", (json.dumps(fields).encode(),)))


def build_multipart(image: LocalImage, fields: Mapping[str, str]) -> Body:
    """Make the multipart body of an upload: the extra fields, then the part ``img``.

    WeChat's documentation requires "filename, filelength, content-type" in that part:
    https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr
    """
    boundary = secrets.token_hex(16)
    texts = "".join(
        [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
    )
    head = (
        f"{texts}--{boundary}\r\n"
        f'Content-Disposition: form-data; name="img"; filename="{image.filename}"\r\n'
        f"Content-Type: {image.content_type}\r\n"
        f"Content-Length: {len(image.data)}\r\n\r\n"
    )
    parts = (head.encode(), image.data, f"\r\n--{boundary}--\r\n".encode())
    return Body(f"multipart/form-data; boundary={boundary}", parts)


def check_fields(endpoint: Endpoint[Any], fields: Mapping[str, str] | None) -> dict[str, str]:
    """Check the extra fields of a call and return them as a dict.

    Raises:
        TypeError: ``fields`` is not a mapping.
        ValueError: it has a name that the endpoint does not accept, or a value that is not a str.
    """
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise TypeError(f"fields must map names to strings, not {type(fields).__name__}")
    extra = dict(fields)
    names = (*endpoint.fields, *endpoint.query_fields)
    unknown = [name for name in extra if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        is_name = isinstance(unknown[0], str) and unknown[0].isidentifier()
        shown = one_line(repr(unknown[0]), 40) if is_name else "a name"
        raise ValueError(f"fields has {shown}, which {endpoint.name} does not accept; it accepts: {known}")
    if not all(isinstance(value, str) and not re.search(_SURROGATES, value) for value in extra.values()):
        raise ValueError(f"the fields of {endpoint.name} must be strings that can be encoded as UTF-8")
    return extra


def build_image_request(
    endpoint: Endpoint[Any], image: LocalImage | ImageUrl, fields: Mapping[str, str] | None = None
) -> Request:
    """Make the request of a call, without its token, so that every attempt sends the same bytes.

    Raises:
        TypeError, ValueError: ``fields`` is unusable.
    """
    extra = check_fields(endpoint, fields)
    if isinstance(image, ImageUrl):
        return Request("POST", endpoint.path, (("img_url", image.url), *extra.items()))
    query = tuple((name, extra.pop(name)) for name in endpoint.query_fields if name in extra)
    return Request("POST", endpoint.path, query, build_multipart(image, extra))


def add_token(request: Request, name: str, token: str) -> Request:
    """Return the request with the token in its query under this name; without a name, unchanged."""
    if not name:
        return request
    return Request(request.method, request.path, ((name, token), *request.query), request.body)
