"""What a call's report makes of its error."""

from __future__ import annotations

import pytest

import wxcv
from wxcv.calls.reports import CallReport, CallResult, find_status

BUSY = wxcv.SystemBusyError(-1, "busy")
LOST = wxcv.AnswerLostError("lost", reason="x")
REJECTED = wxcv.ImageRejectedError(101002, "no")
LIMIT = wxcv.DailyLimitError("used up")


def test_a_call_that_shared_a_send_was_sent() -> None:
    """A call that got the error of another call's send counts as sent, like that one."""
    opener, follower = CallReport(sends=2), CallReport()
    follower.copy_result_of(opener, "cache")

    assert [CallResult(None, LOST, report).is_unsent for report in (opener, follower, CallReport())] == [
        False,
        False,
        True,
    ]
    assert (follower.sends, follower.all_sends) == (0, 2)


@pytest.mark.parametrize(
    ("error", "sends", "unanswered", "is_stopped", "status"),
    [
        (BUSY, 1, 0, False, "failed"),
        (BUSY, 1, 0, True, "failed"),
        (LOST, 1, 1, False, "unknown"),
        (LOST, 2, 0, False, "failed"),
        (wxcv.ConnectError("no", reason="x"), 0, 0, False, "not_sent"),
        (LIMIT, 0, 0, False, "not_sent"),
        (LIMIT, 1, 0, False, "failed"),
        (wxcv.StoreError("gone"), 0, 0, False, "not_sent"),
        (wxcv.SlotTimeoutError("full"), 0, 0, False, "not_sent"),
        (wxcv.EmptyImageError("a.png", "empty"), 0, 0, True, "failed"),
        (REJECTED, 0, 0, True, "failed"),
        (REJECTED, 1, 0, False, "failed"),
    ],
)
def test_the_status_of_an_image_without_an_answer(
    error: wxcv.WxcvError, sends: int, unanswered: int, status: str, *, is_stopped: bool
) -> None:
    """It is "unknown" after a lost response, "not_sent" if the image is not the reason, else "failed"."""
    report = CallReport(sends=sends, unanswered=unanswered)

    assert find_status(error, report, sends, is_stopped=is_stopped) == status


def test_a_call_that_found_no_token_is_not_sent() -> None:
    """Whatever the error is, a call that ended while it waited for its token was not sent."""
    assert find_status(BUSY, CallReport(is_waiting_for_token=True), 0) == "not_sent"
