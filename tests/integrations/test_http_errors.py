"""The HTTP responses to errors."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from support.examples import ERRORS

import wxcv
from wxcv.integrations.http_errors import log_error, make_problem

NOW = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)
STATUSES = {
    400: {
        *("EmptyImageError", "UnsupportedImageError", "UnreadableImageError", "InvalidImageUrlError"),
        *("ImageRejectedError", "DocumentNotFoundError", "ImageUrlRejectedError"),
    },
    413: {"ImageTooLargeError"},
    429: {"SlotTimeoutError", "RateLimitedError", "QuotaExhaustedError", "DailyLimitError"},
    500: {
        *("TokenRejectedError", "CredentialRejectedError", "PermissionDeniedError", "TokenSourceError"),
        "JournalError",
    },
    502: {"AnswerLostError", "ProtocolError", "APIError"},
    503: {"ConnectError", "SystemBusyError", "StoreError", "SessionClosedError"},
    504: {"CallTimeoutError"},
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_has_its_status(error: wxcv.WxcvError) -> None:
    """Whose fault an error is decides its status, for every class of the tree."""
    problem = make_problem(error, NOW)

    assert type(error).__name__ in STATUSES[problem.status]
    assert sum(type(error).__name__ in names for names in STATUSES.values()) == 1


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_problem_has_the_sentence_for_users_and_nothing_else(error: wxcv.WxcvError) -> None:
    """The members are those of RFC 9457 and ``user_message``; no name, code or text of the error is in it."""
    error.image = "MARKED.png"
    problem = make_problem(error, NOW)
    members = json.loads(problem.body)

    assert problem.headers["Content-Type"] == "application/problem+json"
    assert members.pop("title")
    assert members == {
        "type": "about:blank",
        "status": problem.status,
        "detail": error.user_message,
        "user_message": error.user_message,
    }
    assert ("Retry-After" in problem.headers) == (problem.status in {429, 503})


@pytest.mark.parametrize("cls", [wxcv.WxcvError, wxcv.ImageError, wxcv.TransportError])
def test_a_class_of_a_users_own_is_answered_as_its_base(cls: type[wxcv.WxcvError]) -> None:
    """An error of a class that is not in the tree has the status of the nearest class that is."""

    class OwnError(cls):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            Exception.__init__(self, "own")

    assert make_problem(OwnError()).status == make_problem(cls.__new__(cls)).status


def with_reset(resets_at: datetime | None) -> list[wxcv.WxcvError]:
    """Make the errors of limits that end at a time."""
    quota = wxcv.QuotaExhaustedError(45009, "no")
    quota.resets_at = resets_at
    return [quota, wxcv.DailyLimitError("used up", resets_at=resets_at)]


@pytest.mark.parametrize(
    ("after", "seconds"),
    [(None, "3600"), (1800.5, "1801"), (-5, "1"), (0, "1"), (10**8, "86400")],
)
def test_a_used_up_limit_names_its_end(after: float | None, seconds: str) -> None:
    """Retry-After is the time until the limit begins anew, from 1 s to a day; an hour if nobody knows."""
    for error in with_reset(None if after is None else NOW + timedelta(seconds=after)):
        assert make_problem(error, NOW).headers["Retry-After"] == seconds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, "60"), (0.2, "1"), (31.5, "32"), (-1, "1"), (math.inf, "86400"), (math.nan, "1")],
)
def test_a_rate_limit_names_its_pause(given: float | None, seconds: str) -> None:
    """Retry-After is what the server or the pause says, within reason; a minute if nobody knows."""
    error = wxcv.RateLimitedError(45011, "no")
    error.retry_after = given

    assert make_problem(error).headers["Retry-After"] == seconds


def test_a_server_that_says_when_to_come_again_is_quoted() -> None:
    """Retry-After of a response that was not WeChat's is passed on; without one there is none."""
    error = wxcv.ProtocolError("odd", status=503)
    assert "Retry-After" not in make_problem(error).headers
    error.retry_after = 7

    assert make_problem(error).headers["Retry-After"] == "7"


def test_the_operator_is_told_what_only_operators_can_change(caplog: pytest.LogCaptureFixture) -> None:
    """Errors of the account are errors of the log, those on the way warnings, and those of images nothing."""
    for error in ERRORS:
        log_error(error, make_problem(error).status)
    levels = {record.getMessage().partition(":")[0]: record.levelname for record in caplog.records}

    assert {name for name, level in levels.items() if level == "ERROR"} == STATUSES[500]
    assert {name for name, level in levels.items() if level == "WARNING"} == {
        *STATUSES[502] | STATUSES[503] | STATUSES[504],
        *("QuotaExhaustedError", "DailyLimitError"),
    }
    assert all(record.exc_info is None and record.name == "wxcv" for record in caplog.records)
