"""What to do after a failure, without an event loop."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest

import wxcv
from wxcv.calls.pacing import Pacer
from wxcv.calls.retries import RetryQuota

CONNECT = wxcv.ConnectError("down")
LOST = wxcv.AnswerLostError("gone")
TIMEOUT = wxcv.CallTimeoutError("slow")
BUSY = wxcv.SystemBusyError(-1, "busy")
BAD_GATEWAY = wxcv.ProtocolError("bad", status=502)
POLICY = wxcv.RetryPolicy()
MINUTE = 60.0


def after(error: wxcv.WxcvError, seconds: float | None) -> wxcv.WxcvError:
    """Return a copy of the error with a Retry-After."""
    twin = wxcv.ProtocolError("bad", status=503)
    twin.retry_after = seconds
    return twin if error is BAD_GATEWAY else error


@pytest.mark.parametrize("error", [CONNECT, BUSY, BAD_GATEWAY], ids=lambda error: type(error).__name__)
def test_what_may_pass_is_tried_three_times(error: wxcv.WxcvError) -> None:
    """Requests that were not sent, "busy" and a 5xx are retried after the first and the second attempt."""
    waits = [POLICY.wait(error, attempts, 0) for attempts in (1, 2, 3)]

    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[2] is None


@pytest.mark.parametrize("error", [LOST, TIMEOUT], ids=lambda error: type(error).__name__)
def test_an_unknown_outcome_is_tried_once_more(error: wxcv.WxcvError) -> None:
    """A send without a response is retried once, and never with at_most_once."""
    assert POLICY.wait(error, 1, 1) is not None
    assert POLICY.wait(error, 2, 2) is None
    assert wxcv.RetryPolicy(at_most_once=True).wait(error, 1, 1) is None
    assert wxcv.RetryPolicy(at_most_once=True).wait(CONNECT, 1, 0) is not None


@pytest.mark.parametrize(
    ("error", "is_repeated"),
    [(CONNECT, True), (BUSY, True), (BAD_GATEWAY, False)],
    ids=["down", "busy", "502"],
)
def test_at_most_once_repeats_only_what_was_not_counted(error: wxcv.WxcvError, is_repeated: bool) -> None:
    """With at_most_once a 5xx is final, as a gateway may send it after WeChat has counted the request."""
    assert (wxcv.RetryPolicy(at_most_once=True).wait(error, 1, 0) is not None) is is_repeated


@pytest.mark.parametrize(
    "error",
    [
        wxcv.ProtocolError("redirect", status=302),
        wxcv.ProtocolError("too large", status=413),
        wxcv.APIError(99999, "unknown"),
        wxcv.QuotaExhaustedError(45009, "day"),
        wxcv.PermissionDeniedError(48001, "no"),
        wxcv.ImageRejectedError(101002, "bad"),
        wxcv.CredentialRejectedError(40013, "no"),
        wxcv.TokenRejectedError(40001, "no"),
        wxcv.EmptyImageError("a", "b"),
        wxcv.SessionClosedError("closed"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_what_will_fail_again_is_not_tried_again(error: wxcv.WxcvError) -> None:
    """Refusals and answers outside the protocol are final."""
    assert POLICY.wait(error, 1, 0) is None


def test_waits_are_random_from_nothing_up_to_a_doubling_limit() -> None:
    """Waits spread from 0 to base * 2 ** n, and no further than cap."""
    random.seed(5)
    policy = wxcv.RetryPolicy(attempts=10, base=1.0, cap=3.0)
    for attempts, limit in ((1, 1.0), (2, 2.0), (3, 3.0), (9, 3.0)):
        waits = [policy.wait(CONNECT, attempts, 0) or 0.0 for _ in range(500)]
        assert min(waits) < 0.1 * limit
        assert 0.9 * limit < max(waits) <= limit


@pytest.mark.parametrize("attempts", [65, 1025, 10**9 - 1])
def test_waits_stay_bounded_however_many_attempts_there_are(attempts: int) -> None:
    """After any number of attempts that a policy allows, the wait is at most cap."""
    wait = wxcv.RetryPolicy(attempts=10**9).wait(CONNECT, attempts, 0)

    assert wait is not None
    assert 0.0 <= wait <= 8.0


def test_without_settings_there_are_three_attempts_up_to_eight_seconds_apart() -> None:
    """RetryPolicy() has the documented defaults."""
    random.seed(6)
    assert wxcv.RetryPolicy(attempts=3, base=0.5, cap=8.0, at_most_once=False) == POLICY
    waits = [wxcv.RetryPolicy(attempts=10).wait(CONNECT, 9, 0) or 0.0 for _ in range(500)]

    assert 7.2 < max(waits) <= 8.0


def test_retry_after_goes_before() -> None:
    """A Retry-After of up to 60 s is obeyed, plus up to 20 %; after a longer one there is no retry."""
    random.seed(7)
    waits = [POLICY.wait(after(BAD_GATEWAY, 2.0), 1, 0) or 0.0 for _ in range(100)]

    assert 2.0 <= min(waits) < 2.1
    assert 2.3 < max(waits) <= 2.4
    assert (POLICY.wait(after(BAD_GATEWAY, 60.0), 1, 0) or 0.0) >= 60.0
    assert POLICY.wait(after(BAD_GATEWAY, 0.0), 1, 0) == 0.0
    assert POLICY.wait(after(BAD_GATEWAY, 61.0), 1, 0) is None
    assert POLICY.wait(after(BAD_GATEWAY, None), 1, 0) is not None


@pytest.mark.parametrize(
    ("name", "value"), [("attempts", 0), ("attempts", 1.5), ("base", 0), ("base", -1), ("cap", float("nan"))]
)
def test_a_bad_setting_is_named(name: str, value: Any) -> None:
    """A setting out of its range is refused by name."""
    with pytest.raises(ValueError, match=name):
        wxcv.RetryPolicy(**{name: value})


def test_the_quota_ends_retries_when_all_fail() -> None:
    """A thousand failing calls get a hundred retries, or fifty if they time out."""
    quota = RetryQuota()
    assert sum(1 for _ in range(1000) if quota.take(BUSY)) == 100

    quota = RetryQuota()
    assert sum(1 for _ in range(1000) if quota.take(TIMEOUT)) == 50


def test_successes_refill_the_quota() -> None:
    """A successful call refills what its retries took, or 1 without retries, up to the whole quota."""
    quota = RetryQuota()
    taken = quota.take(BUSY) + quota.take(TIMEOUT)
    assert (taken, quota.left) == (15.0, 485.0)

    quota.record_success(15.0)
    assert quota.left == 500.0
    quota.record_success(0.0)
    assert quota.left == 500.0
    quota.take(BUSY)
    quota.record_success(0.0)
    assert quota.left == 496.0


def refusal(seconds: float | None = None) -> wxcv.RateLimitedError:
    """Return a throttling, with a Retry-After."""
    error = wxcv.RateLimitedError(45011, "slow down")
    error.retry_after = seconds
    return error


class Body:
    """Stands for a request's body, which a reference may be kept to."""


def raise_refusal(error: wxcv.RateLimitedError, bodies: list[weakref.ref[Body]]) -> None:
    """Raise the error, as a call does that holds a body."""
    body = Body()
    bodies.append(weakref.ref(body))
    raise error


def test_a_refusal_is_kept_without_what_was_sent() -> None:
    """The error of a throttling is kept for later calls without anything of the call that got it."""
    pace, bodies = Pacer(), list[weakref.ref[Body]]()
    try:
        raise_refusal(refusal(7.0), bodies)
    except wxcv.RateLimitedError as error:
        pace.record_throttling(error, sent_at=0.0, now=0.0, wall=0.0)
    gc.collect()

    assert bodies[0]() is None
    assert str(pace.error) == str(refusal(7.0))
    assert pace.error.retry_after == 7.0


def test_without_a_refusal_nothing_waits() -> None:
    """An endpoint that never throttled is not paced."""
    pace = Pacer()
    pace.record_success(0.0)

    assert [pace.reserve(now) for now in (0.0, 0.0, 0.0)] == [0.0] * 3


def test_after_a_refusal_nothing_goes_out_until_the_minute_ends() -> None:
    """A refusal 20 s into a minute pauses the endpoint for 40 s, whatever the monotonic clock shows."""
    pace = Pacer()
    pace.record_throttling(refusal(), sent_at=1000.0, now=1000.5, wall=20.0)

    assert pace.reserve(1000.5) == 40.0
    assert pace.reserve(1040.0) == 0.5
    assert pace.reserve(1040.5) == 0.0


@pytest.mark.parametrize(("seconds", "wait"), [(7.0, 7.0), (0.0, 0.0), (9999.0, 60.0)])
def test_retry_after_says_how_long_an_endpoint_pauses(seconds: float, wait: float) -> None:
    """A Retry-After of up to 60 s replaces the rest of the minute."""
    pace = Pacer()
    pace.record_throttling(refusal(seconds), sent_at=0.0, now=0.0, wall=20.0)

    assert pace.reserve(0.0) == wait


def test_afterwards_it_goes_as_fast_as_the_last_minute_let_through() -> None:
    """After 30 successes in a minute, one is sent every 2 s, then 5 % more a minute, and all after ten."""
    pace = Pacer()
    for second in range(30):
        pace.record_success(float(second))
    pace.record_throttling(refusal(), sent_at=30.0, now=30.0, wall=30.0)

    assert 30 <= sent_within(pace, 60.0, 120.0) <= 31
    assert 31 <= sent_within(pace, 120.0, 180.0) <= 33
    assert sent_within(pace, 600.0, 660.0) > 45
    assert [pace.reserve(now) for now in (700.0, 700.0, 700.0)] == [0.0] * 3


def sent_within(pace: Pacer, start: float, end: float) -> int:
    """Count the requests that may be sent if one is always ready and all succeed."""
    sent, now = 0, start
    while now < end:
        wait = pace.reserve(now)
        if wait == 0.0:
            sent += 1
            pace.record_success(now)
        now += max(wait, 0.001)
    return sent


def test_late_refusals_of_the_same_burst_change_nothing() -> None:
    """Refusals of requests that were sent before the pause do not lower the pace further."""
    pace = Pacer()
    for _ in range(60):
        pace.record_success(5.0)
    for late in range(8):
        pace.record_throttling(refusal(), sent_at=5.0, now=6.0 + late, wall=6.0 + late)

    assert pace.reserve(14.0) == 46.0
    assert 60 <= sent_within(pace, 60.0, 120.0) <= 63


def test_a_refusal_right_after_the_pause_keeps_the_pace() -> None:
    """If the first request after a pause is refused again, the endpoint pauses again and keeps its pace."""
    pace = Pacer()
    for _ in range(30):
        pace.record_success(5.0)
    pace.record_throttling(refusal(), sent_at=5.0, now=5.0, wall=5.0)
    assert pace.reserve(60.0) == 0.0
    pace.record_throttling(refusal(), sent_at=60.0, now=60.1, wall=60.1)

    assert pace.reserve(60.1) == pytest.approx(59.9)
    assert 30 <= sent_within(pace, 120.0, 180.0) <= 31


def test_the_pace_learns_from_a_later_refusal() -> None:
    """A refusal in a paced minute lowers the pace, to no less than half of that of the minute before."""
    pace = Pacer()
    for _ in range(100):
        pace.record_success(5.0)
    pace.record_throttling(refusal(), sent_at=5.0, now=5.0, wall=5.0)
    for second in range(40):
        pace.record_success(60.0 + second)
    pace.record_throttling(refusal(), sent_at=100.0, now=100.0, wall=100.0)

    assert 50 <= sent_within(pace, 120.0, 180.0) <= 52


def test_an_old_minute_is_forgotten() -> None:
    """Successes of long ago do not count, and ten requests a minute are always sent."""
    pace = Pacer()
    for _ in range(100):
        pace.record_success(5.0)
    pace.record_success(600.0)
    pace.record_throttling(refusal(), sent_at=600.0, now=600.0, wall=600.0)

    assert 10 <= sent_within(pace, 660.0, 720.0) <= 11
