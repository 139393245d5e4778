"""CallReport: what a call has done, from which its error and its outcome are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

import attrs

from wxcv.errors import (
    AnswerLostError,
    ConnectError,
    ImageError,
    ImageRejectedError,
    SessionClosedError,
    SlotTimeoutError,
    StoreError,
    TransportError,
    WxcvError,
)
from wxcv.masking import class_name

if TYPE_CHECKING:
    from wxcv.calls.events import CallStatus

AnswerT = TypeVar("AnswerT")

_ABOUT_OTHERS = (TransportError, SessionClosedError, SlotTimeoutError, StoreError)
"""Errors that say nothing about the image itself."""


@attrs.define(eq=False)
class CallReport:
    """What one call has done.

    Attributes:
        image: a short name of the image, once it has been read.
        image_size: the size of the image in bytes; 0 for an ``img_url``.
        attempts: attempts as the RetryPolicy counts them: throttled requests and the repeat after a refused
            token are not counted.
        requests: all requests with the image; ``on_attempt`` is called after each.
        sends: requests whose body was begun.
        unanswered: sends without a complete response.
        shared_sends: the sends of another call of the same image, whose answer or error this call got.
        is_sending: whether the image is being sent, or was answered.
        is_abandoned: whether nobody waits for it any more and nothing may be sent.
        is_waiting_for_token: whether it waits for a token, or ended while waiting.
        asked_at, started_at: monotonic time at which it began, and got its slot; None before that.
        queued: seconds for which it waited for its slot.
        elapsed: seconds from when it got its slot to its end.
        source: "wechat", or the name of the AnswerSource that had the answer.
    """

    image: str | None = None
    image_size: int = 0
    attempts: int = 0
    requests: int = 0
    sends: int = 0
    unanswered: int = 0
    shared_sends: int = 0
    is_sending: bool = False
    is_abandoned: bool = False
    is_waiting_for_token: bool = False
    asked_at: float = 0.0
    started_at: float | None = None
    queued: float = 0.0
    elapsed: float = 0.0
    source: str = "wechat"

    @property
    def all_sends(self) -> int:
        """How many times the image was sent, by this call or the one whose result it got."""
        return self.sends + self.shared_sends

    def elapsed_at(self, now: float) -> float:
        """Return the seconds since the call got its slot, at this monotonic time."""
        return 0.0 if self.started_at is None else now - self.started_at

    def finish(self, now: float) -> None:
        """Record how long the call took, which ends at this monotonic time."""
        started_at = now if self.started_at is None else self.started_at
        self.elapsed, self.queued = now - started_at, started_at - self.asked_at

    def copy_result_of(self, other: CallReport, source: str) -> None:
        """Take over what another call of the same image knows of their common answer or error."""
        self.source = source
        self.shared_sends, self.unanswered = other.all_sends, other.unanswered
        self.is_waiting_for_token = other.is_waiting_for_token

    def complete(self, error: WxcvError) -> WxcvError:
        """Return the error for the whole call, with its sends, its elapsed time and its image.

        A ConnectError means that nothing was sent; if an earlier attempt was, return an AnswerLostError.
        """
        if isinstance(error, ConnectError) and self.sends:
            message = f"the image was sent before, and a later request could not connect ({error.reason})"
            cause, error = error, AnswerLostError(message, reason=error.reason, errno=error.errno)
            error.__cause__ = cause
        error.sends, error.elapsed = self.sends, self.elapsed
        error.image = error.image or self.image
        return error


class CallResult(NamedTuple, Generic[AnswerT]):
    """The result of a call: an answer or an error, and the report."""

    answer: AnswerT | None
    error: WxcvError | None
    report: CallReport

    @property
    def is_unsent(self) -> bool:
        """Whether it failed and nothing of it was sent."""
        return self.error is not None and not self.report.all_sends


def find_status(
    error: WxcvError, report: CallReport, sends: int, *, is_stopped: bool = False
) -> Literal["failed", "not_sent", "unknown"]:
    """Return the status of an image without an answer, as an outcome has it.

    Args:
        error: the error of its last call.
        report: of its last call.
        sends: how many times it was sent, in all its calls.
        is_stopped: whether its batch was stopped by an error that is not about the image.
    """
    if isinstance(error, (ImageError, ImageRejectedError)):
        return "failed"
    if report.unanswered:
        return "unknown"
    is_about_others = is_stopped or error.account_wide or isinstance(error, _ABOUT_OTHERS)
    return "not_sent" if not sends and (is_about_others or report.is_waiting_for_token) else "failed"


def find_end(error: BaseException, report: CallReport, sends: int) -> CallStatus:
    """Return the status of a call that ended with an exception of any kind; see ``find_status``."""
    if isinstance(error, WxcvError):
        return find_status(error, report, sends)
    return "failed" if isinstance(error, Exception) else "cancelled"


def find_error_name(error: BaseException | None) -> str | None:
    """Return the class name of the exception; None without one, or for a cancellation."""
    return class_name(error) if isinstance(error, Exception) else None
