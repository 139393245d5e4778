"""The bytes on the wire, without any I/O: requests as values, answers read from status, headers, body."""

from __future__ import annotations

import json
import re
import secrets
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from wxcv.errcodes import api_error
from wxcv.errors import APIError, ProtocolError, RateLimitedError
from wxcv.images import ImageUrl, LocalImage
from wxcv.masking import mask
from wxcv.models import SHAPE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wxcv.endpoints import Endpoint

AnswerT = TypeVar("AnswerT")

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer, decompressed; the real ones are small."""

_EXCERPT = 200
_LONGEST_SHOWN = 16 * 1024  # of a foreign text no more is looked through
_MANY_DIGITS = 10
_TOO_MANY_REQUESTS = 429
_PAYLOAD_TOO_LARGE = 413
_PROXY_AUTHENTICATION = 407
_SURROGATES = "[\ud800-\udfff]"


class Body(NamedTuple):
    """A request's body as parts that are written one after another, without a joined copy."""

    content_type: str
    parts: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(map(len, self.parts))

    def __repr__(self) -> str:
        return f"<Body {self.content_type} of {self.size:,} bytes>"


class Request(NamedTuple):
    """One request below a base URL; its repr shows nothing secret."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path} {self.body}>"


class Response(NamedTuple):
    """What came back: the status, the headers by their names in lower case, at most ANSWER_LIMIT bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def target(path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Return path and query, percent-encoded once. Secret."""
    pairs = "&".join([f"{name}={quote(value, safe='')}" for name, value in query])
    return f"{path}?{pairs}" if pairs else path


def json_request(path: str, fields: Mapping[str, object], query: tuple[tuple[str, str], ...] = ()) -> Request:
    """Make a POST with a JSON body, as WeChat's token pages want it."""
    return Request("POST", path, query, Body("application/json", (json.dumps(fields).encode(),)))


def multipart(image: LocalImage, fields: Mapping[str, str]) -> Body:
    """Make the form of an upload: the extra fields, then the part ``img``.

    The page asks for "filename, filelength, content-type" of the part:
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


def checked_fields(endpoint: Endpoint[Any], fields: Mapping[str, str] | None) -> dict[str, str]:
    """Return the extra fields of a call.

    Raises:
        ValueError: a field that the endpoint's page does not know, or one that is not a string.
    """
    if not fields:
        return {}
    extra = dict(fields)
    unknown = sorted(str(name) for name in extra if name not in endpoint.fields)
    if unknown:
        known = ", ".join(endpoint.fields) or "none"
        raise ValueError(f"{endpoint.name} does not know the fields {unknown}; it knows: {known}")
    if not all(isinstance(value, str) and not re.search(_SURROGATES, value) for value in extra.values()):
        raise ValueError(f"the fields of {endpoint.name} must be strings that can be encoded as UTF-8")
    return extra


def image_request(
    endpoint: Endpoint[Any], image: LocalImage | ImageUrl, fields: Mapping[str, str] | None = None
) -> Request:
    """Make the request of a call, still without its token, so that every attempt sends the same bytes.

    Raises:
        ValueError: as ``checked_fields`` does.
    """
    extra = checked_fields(endpoint, fields)
    if isinstance(image, ImageUrl):
        return Request("POST", endpoint.path, (("img_url", image.url), *extra.items()))
    return Request("POST", endpoint.path, (), multipart(image, extra))


def with_token(request: Request, name: str, token: str) -> Request:
    """Return the request with the token in its query, where every page wants it; no name means no token."""
    if not name:
        return request
    return Request(request.method, request.path, ((name, token), *request.query), request.body)


def _inflated(response: Response) -> bytes:
    """Undo a compression that was not asked for, up to the limit."""
    if "content-encoding" not in response.headers:
        return response.body
    if response.headers["content-encoding"].strip().lower() not in {"gzip", "deflate"}:
        return response.body
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = inflater.decompress(response.body, ANSWER_LIMIT)
    except zlib.error:
        return response.body
    if inflater.unconsumed_tail:
        raise too_large(response.status)
    return data


def too_large(status: int) -> ProtocolError:
    """Make the error for an answer over ANSWER_LIMIT."""
    return ProtocolError(
        f"an answer of more than {ANSWER_LIMIT:,} bytes (HTTP status {status})", status=status
    )


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)  # json.loads would make one a call


def _json_object(text: str) -> dict[str, Any] | None:
    """Read leniently what WeChat is known to send: raw control characters occur."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _errcode(fields: Mapping[str, Any]) -> int | None:
    """Return the code, 0 where there is none, or None for one that is no number; strings occur."""
    value = fields.get("errcode", 0)
    if type(value) is int:
        return value
    if value is None:
        return 0
    if isinstance(value, bool):
        return None
    try:
        return int(value) if int(value) == float(value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return seconds; a date counts from the answer's own Date, as the clocks may differ."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < _MANY_DIGITS:
        return float(value)
    try:
        until, now = (parsedate_to_datetime(date) for date in (value, headers.get("date", "")))
        seconds = (until - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def _outside(response: Response, text: str, kind: str) -> ProtocolError:
    status = response.status
    says = {
        _PAYLOAD_TOO_LARGE: "a server or proxy on the way refuses a request of this size",
        _PROXY_AUTHENTICATION: "the proxy wants a user and a password; put them into its URL",
    }.get(status, "a redirect, which is not followed" if 300 <= status < 400 else kind)
    clean = "".join(c if c.isprintable() else " " for c in text[:_EXCERPT])
    error = ProtocolError(
        f"not an answer of WeChat's API: {says} (HTTP status {status})", status=status, excerpt=clean
    )
    error.retry_after = _retry_after(response.headers)
    return error


def _kind(text: str, fields: dict[str, Any] | None, errcode: int | None) -> str:
    if fields is not None:
        return "an errcode that is no number" if errcode is None else "JSON without an errcode"
    start = text.lstrip()[:1]
    return {"": "an empty body", "<": "HTML or XML", "{": "broken JSON", "[": "a JSON array"}.get(
        start, "no JSON object"
    )


def decode(
    response: Response, *, known: Iterable[str] = (), is_token_answer: bool = False, is_own: bool = False
) -> dict[str, Any]:
    """Read an answer: JSON whatever its Content-Type says, UTF-8 with replacements, errcode as an integer.

    Args:
        response: as it came.
        known: secrets in hand, such as the token and the image's URL, to be masked in any error.
        is_token_answer: it may hold a token; no text of it enters an error but errmsg.
        is_own: it answers a token request with the app's own secret, where 40001 is a wrong secret.

    Returns:
        WeChat's JSON object. A missing errcode means success, as WeChat's guide says:
        https://developers.weixin.qq.com/doc/oplatform/developers/dev/guide.md

    Raises:
        APIError: errcode is not 0 (whatever the HTTP status), or the status is 429.
        ProtocolError: no JSON object, an errcode that is no number, or another status than 2xx.
    """
    text = _inflated(response).decode("utf-8", "replace").removeprefix("\ufeff")
    fields = _json_object(text)
    errcode = None if fields is None else _errcode(fields)
    if fields is not None and errcode:
        errmsg = mask(str(fields.get("errmsg", ""))[:_LONGEST_SHOWN], known)
        raise _refusal(response, errcode, errmsg, is_own=is_own)
    if fields is not None and errcode == 0 and 200 <= response.status < 300:
        return fields
    kind = _kind(text, fields, errcode)
    raise _unusable(response, "" if is_token_answer else mask(text[:_LONGEST_SHOWN], known), kind)


def _refusal(response: Response, errcode: int, errmsg: str, *, is_own: bool = False) -> APIError:
    error = api_error(errcode, errmsg, is_own=is_own)
    if isinstance(error, RateLimitedError):
        error.retry_after = _retry_after(response.headers)
    return error


def _unusable(response: Response, shown: str, kind: str) -> APIError | ProtocolError:
    if response.status == _TOO_MANY_REQUESTS:
        return _refusal(response, _TOO_MANY_REQUESTS, "too many requests")
    return _outside(response, shown, kind)


def read_answer(endpoint: Endpoint[AnswerT], response: Response, known: Iterable[str] = ()) -> AnswerT:
    """Decode the answer of a call into the endpoint's answer class; raises as ``decode`` does."""
    fields = decode(response, known=known)
    try:
        return endpoint.read(fields)
    except SHAPE_ERRORS as error:
        fault = f"{type(error).__name__}"
    raise ProtocolError(
        f"the answer of {endpoint.path} has not the shape of its page ({fault})",
        status=response.status,
        excerpt=mask(json.dumps(fields, ensure_ascii=False), known)[:_EXCERPT],
    )
