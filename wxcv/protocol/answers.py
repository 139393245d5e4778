"""Reads WeChat's answers from the status, headers and body of responses, without I/O."""

from __future__ import annotations

import json
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wxcv.callbacks import CallbackError
from wxcv.endpoints.readers import SHAPE_ERRORS
from wxcv.errors import APIError, ProtocolError, RateLimitedError
from wxcv.masking import class_name, mask, one_line
from wxcv.protocol.errcodes import make_api_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wxcv.endpoints.base import Endpoint

AnswerT = TypeVar("AnswerT")

ANSWER_LIMIT = 1024 * 1024
"""Maximum bytes of a response, decompressed; real ones are much smaller."""

TOKEN_ANSWER_LIMIT = 64 * 1024
"""Maximum bytes of the response to a token request, decompressed."""

_LARGE = 128 * 1024
_EXCERPT = 200
_MANY_DIGITS = 10
_ERRCODE_LIMIT = 2**63
_SHORT = 512
_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_LENGTH_REQUIRED, _PRECONDITION_FAILED = 411, 412
_PAYLOAD_TOO_LARGE = 413
_PROXY_AUTHENTICATION = 407
_UNKNOWN_PATH = 40066
_NO_LENGTH = (
    "WeChat's gateway returns this status for a request without Content-Length; wxcv always sends one, so a "
    "proxy on the way has removed it"
)


class Response(NamedTuple):
    """What came back, and what must not be shown of it.

    Attributes:
        status: the HTTP status.
        headers: by their names in lower case.
        body: at most ANSWER_LIMIT bytes.
        known: the secrets in hand where it was received, such as a proxy's password.
        base_url: scheme, host and port of the server that sent it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    known: tuple[str, ...] = ()
    base_url: str = ""

    @property
    def is_slow_to_decode(self) -> bool:
        """Whether decoding it would block the event loop for long: over 128 KiB, or compressed."""
        return len(self.body) > _LARGE or "content-encoding" in self.headers

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def _decompress(response: Response, limit: int) -> bytes:
    """Return the body, decompressed up to the limit if a server compressed it without being asked to."""
    if len(response.body) > limit:
        raise make_too_large_error(response.status, limit)
    if response.headers.get("content-encoding", "").strip().lower() not in {"gzip", "deflate"}:
        return response.body
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = inflater.decompress(response.body, limit)
    except zlib.error:
        return response.body
    if inflater.unconsumed_tail:
        raise make_too_large_error(response.status, limit)
    return data


def make_too_large_error(status: int, limit: int = ANSWER_LIMIT) -> ProtocolError:
    """Make the error for a response of more than ``limit`` bytes."""
    return ProtocolError(f"a response of more than {limit:,} bytes (HTTP status {status})", status=status)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)  # json.loads would make one a call


def _json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object, or None; lenient, as WeChat is known to send raw control characters."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _errcode(fields: Mapping[str, Any]) -> int | None:
    """Return the errcode as an integer: 0 if there is none, None if it is not a number; strings occur.

    A number of more than 63 bits is no errcode: all of its digits, up to 4,300, would enter the error.
    """
    value = fields.get("errcode", 0)
    if type(value) is int:
        return value if abs(value) < _ERRCODE_LIMIT else None
    if value is None:
        return 0
    if isinstance(value, bool):
        return None
    try:
        errcode = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    is_whole = not isinstance(value, float) or errcode == value
    return errcode if is_whole and abs(errcode) < _ERRCODE_LIMIT else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After, or None; a date is relative to the Date header, as clocks differ."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < _MANY_DIGITS:
        return float(value)
    try:
        until, now = (parsedate_to_datetime(date) for date in (value, headers.get("date", "")))
        seconds = (until - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def _make_protocol_error(response: Response, text: str, kind: str) -> ProtocolError:
    status = response.status
    description = {
        _LENGTH_REQUIRED: _NO_LENGTH,
        _PRECONDITION_FAILED: _NO_LENGTH,
        _PAYLOAD_TOO_LARGE: "a server or proxy on the way refuses a request of this size",
        _PROXY_AUTHENTICATION: "the proxy requires a user and a password; put them into its URL",
    }.get(status, "a redirect, which is not followed" if 300 <= status < 400 else kind)
    error = ProtocolError(
        f"not a response of WeChat's API: {description} (HTTP status {status})",
        status=status,
        excerpt=one_line(text, _EXCERPT),
    )
    error.retry_after = _retry_after(response.headers)
    return error


def _describe(text: str, fields: dict[str, Any] | None, errcode: int | None) -> str:
    if fields is not None:
        return "an errcode that is not a number" if errcode is None else "JSON without an errcode"
    start = text[:_EXCERPT].lstrip()[:1]
    return {"": "an empty body", "<": "HTML or XML", "{": "broken JSON", "[": "a JSON array"}.get(
        start, "not a JSON object"
    )


def decode(
    response: Response,
    *,
    known: Iterable[str] = (),
    endpoint: Endpoint[Any] | None = None,
    is_token_answer: bool = False,
    is_app_secret_request: bool = False,
) -> dict[str, Any]:
    """Read an answer: JSON whatever its Content-Type says, UTF-8 with replacements, errcode as an integer.

    Args:
        response: as it came.
        known: secrets in hand besides the response's own, such as the token and the image's URL, to be
            masked in any error.
        endpoint: the endpoint that was called, if it was one: some remedies name its path, and no excerpt of
            a personal answer enters an error.
        is_token_answer: it may hold a token; no text of it enters an error but errmsg.
        is_app_secret_request: it answers a token request with the app's own secret, where 40001 means that
            the secret is wrong.

    Returns:
        WeChat's JSON object. A missing errcode means success, according to WeChat's guide:
        https://developers.weixin.qq.com/doc/oplatform/developers/dev/guide.md

    Raises:
        APIError: the errcode is not 0 (whatever the HTTP status), or the status is 429.
        ProtocolError: the body exceeds the limit or is not a JSON object, the errcode is not a number of at
            most 63 bits, or the status is not 2xx.
    """
    text = _text(response, TOKEN_ANSWER_LIMIT if is_token_answer else ANSWER_LIMIT)
    fields = _json_object(text)
    errcode = None if fields is None else _errcode(fields)
    if fields is not None and errcode:
        errmsg = fields.get("errmsg")
        told = errmsg if isinstance(errmsg, str) else ""
        error = make_api_error(
            *(errcode, told),
            known=(*response.known, *known),
            endpoint=endpoint,
            is_app_secret_request=is_app_secret_request,
        )
        raise _add_retry_after(response, error)
    if fields is not None and errcode == 0 and 200 <= response.status < 300:
        return fields
    kind = _describe(text, fields, errcode)
    is_hidden = is_token_answer or (endpoint is not None and endpoint.is_personal)
    raise _make_unusable_error(response, "" if is_hidden else mask(text, (*response.known, *known)), kind)


def is_unknown_path(response: Response) -> bool:
    """Return whether the server does not know the path: HTTP 404, or errcode 40066."""
    if response.status == _NOT_FOUND:
        return True
    fields = _json_object(_text(response, ANSWER_LIMIT)) if len(response.body) <= _SHORT else None
    return fields is not None and _errcode(fields) == _UNKNOWN_PATH


def _text(response: Response, limit: int) -> str:
    return _decompress(response, limit).decode("utf-8", "replace").removeprefix("\ufeff")


def _add_retry_after(response: Response, error: APIError) -> APIError:
    if isinstance(error, RateLimitedError):
        error.retry_after = _retry_after(response.headers)
    return error


def _make_unusable_error(response: Response, shown: str, kind: str) -> APIError | ProtocolError:
    if response.status == _TOO_MANY_REQUESTS:
        return _add_retry_after(response, make_api_error(_TOO_MANY_REQUESTS, "too many requests"))
    return _make_protocol_error(response, shown, kind)


def read_answer(endpoint: Endpoint[AnswerT], response: Response, known: Iterable[str] = ()) -> AnswerT:
    """Decode the answer of a call into the endpoint's answer class; raises as ``decode`` does."""
    fields = decode(response, known=known, endpoint=endpoint)
    try:
        return endpoint.read(fields)
    except SHAPE_ERRORS as error:
        fault = class_name(error)
    except Exception as error:  # noqa: BLE001 - a reader of the caller's may raise anything
        fault = str(CallbackError(error))
    text = "" if endpoint.is_personal else mask(_text(response, ANSWER_LIMIT), (*response.known, *known))
    raise ProtocolError(
        f"the response of {endpoint.path} does not match the documented format ({fault})",
        status=response.status,
        excerpt=one_line(text, _EXCERPT),
    )
