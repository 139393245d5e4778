"""How a web app answers the errors of wxcv: one table of HTTP statuses, and problems of RFC 9457."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

import wxcv

PROBLEM_TYPE = "application/problem+json"
"""The content type of a problem."""

CLIENT_LEFT = 499
"""The status, as in nginx's logs, of a request whose client left before it was answered."""

_LONGEST_WAIT = 86_400  # seconds: no quota takes longer, whatever a server says
_logger = logging.getLogger("wxcv")


class _Row(NamedTuple):
    """How an error is answered.

    Attributes:
        status: the HTTP status.
        retry_after: seconds for the header Retry-After if the error knows none; None for no header.
    """

    status: HTTPStatus
    retry_after: int | None = None


_TABLE: dict[type[wxcv.WxcvError], _Row] = {
    wxcv.ImageTooLargeError: _Row(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    wxcv.ImageError: _Row(HTTPStatus.BAD_REQUEST),
    wxcv.ImageRejectedError: _Row(HTTPStatus.BAD_REQUEST),
    wxcv.ImageUrlRejectedError: _Row(HTTPStatus.BAD_REQUEST),
    wxcv.SlotTimeoutError: _Row(HTTPStatus.TOO_MANY_REQUESTS, 1),
    wxcv.RateLimitedError: _Row(HTTPStatus.TOO_MANY_REQUESTS, 60),  # a limit of the minute
    wxcv.DailyLimitError: _Row(HTTPStatus.TOO_MANY_REQUESTS, 3600),
    wxcv.QuotaExhaustedError: _Row(HTTPStatus.TOO_MANY_REQUESTS, 3600),
    wxcv.SystemBusyError: _Row(HTTPStatus.SERVICE_UNAVAILABLE, 1),
    wxcv.ConnectError: _Row(HTTPStatus.SERVICE_UNAVAILABLE, 5),
    wxcv.StoreError: _Row(HTTPStatus.SERVICE_UNAVAILABLE, 5),
    wxcv.SessionClosedError: _Row(HTTPStatus.SERVICE_UNAVAILABLE, 5),
    wxcv.CallTimeoutError: _Row(HTTPStatus.GATEWAY_TIMEOUT),
    wxcv.TransportError: _Row(HTTPStatus.BAD_GATEWAY),
    wxcv.ProtocolError: _Row(HTTPStatus.BAD_GATEWAY),
    wxcv.TokenRejectedError: _Row(HTTPStatus.INTERNAL_SERVER_ERROR),
    wxcv.CredentialRejectedError: _Row(HTTPStatus.INTERNAL_SERVER_ERROR),
    wxcv.PermissionDeniedError: _Row(HTTPStatus.INTERNAL_SERVER_ERROR),
    wxcv.APIError: _Row(HTTPStatus.BAD_GATEWAY),
    wxcv.WxcvError: _Row(HTTPStatus.INTERNAL_SERVER_ERROR),
}
"""By the class of the error; for a class that is not listed, the nearest one that it derives from."""


class Problem(NamedTuple):
    """The response to an error.

    Attributes:
        status: the HTTP status.
        headers: Content-Type, and Retry-After if it is known when another try makes sense.
        body: JSON with the members of RFC 9457 (``type``, ``title``, ``status``, ``detail``), and with
            ``user_message``, the error's sentence for an end user, which is the ``detail`` too. Nothing else
            of the error is in it: no code or text of WeChat's, and no name of an image.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def make_problem(error: wxcv.WxcvError, now: datetime | None = None) -> Problem:
    """Return the response to an error.

    - 400: the image or its URL cannot be used, according to wxcv or WeChat
    - 413: the image is too large
    - 429: a daily limit or quota is used up, WeChat limits the rate, or there was no slot in time
    - 502: the response of WeChat was lost or unusable, or has an unknown errcode
    - 503: WeChat is busy or cannot be reached, a store failed, or the session is closed
    - 504: time ran out
    - 500: WeChat refuses the account or its token, or anything else that only the operator can change

    Args:
        error: the error.
        now: the time that ``Retry-After`` counts from; None is the system's.
    """
    row = next(_TABLE[cls] for cls in type(error).__mro__ if cls in _TABLE)
    headers = {"Content-Type": PROBLEM_TYPE}
    seconds = _find_wait(error, now or datetime.now(UTC))
    if seconds is None:
        seconds = row.retry_after
    if seconds is not None:
        headers["Retry-After"] = str(math.ceil(min(max(1.0, seconds), _LONGEST_WAIT)))
    members = {
        "type": "about:blank",
        "title": row.status.phrase,
        "status": row.status.value,
        "detail": error.user_message,
        "user_message": error.user_message,
    }
    return Problem(row.status.value, headers, json.dumps(members, ensure_ascii=False).encode())


def _find_wait(error: wxcv.WxcvError, now: datetime) -> float | None:
    """Return the seconds until another try makes sense, as far as the error knows them."""
    if isinstance(error, (wxcv.DailyLimitError, wxcv.QuotaExhaustedError)):
        return None if error.resets_at is None else (error.resets_at - now).total_seconds()
    if isinstance(error, (wxcv.RateLimitedError, wxcv.ProtocolError)):
        return error.retry_after
    return None


def log_error(error: wxcv.WxcvError, status: int) -> None:
    """Log what only the operator can change or should know; errors of images and full queues are not logged.

    The record has the text of the error, in which secrets are masked, and no traceback.
    """
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("%s: %s", type(error).__name__, error)
    elif status > HTTPStatus.INTERNAL_SERVER_ERROR or error.account_wide:
        _logger.warning("%s: %s", type(error).__name__, error)
