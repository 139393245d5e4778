"""What a call did so far: one report, from which its error and its outcome are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import attrs

from wxcv.errors import AnswerLostError, ConnectError

if TYPE_CHECKING:
    from wxcv.errors import WxcvError

AnswerT = TypeVar("AnswerT")


@attrs.define(eq=False)
class CallReport:
    """What one call did.

    Attributes:
        image: a short name of the image, when it has been read.
        image_size: bytes that an upload carries; 0 for an ``img_url``.
        attempts: those that count for the RetryPolicy: not after a throttling, nor after a refused token.
        requests: all requests that were tried with the image, each of which ``on_attempt`` is told of.
        sends: requests of which at least one byte was sent.
        unanswered: sends to which no answer came.
        is_waiting_for_token: it waits for a token, or ended so.
        elapsed: seconds since it had its slot, when it has ended.
    """

    image: str | None = None
    image_size: int = 0
    attempts: int = 0
    requests: int = 0
    sends: int = 0
    unanswered: int = 0
    is_waiting_for_token: bool = False
    elapsed: float = 0.0

    def complete(self, error: WxcvError) -> WxcvError:
        """Return the error for the whole call: with its sends, its time and its image.

        A ConnectError says that nothing was sent. If an earlier attempt was, it becomes an AnswerLostError.
        """
        if isinstance(error, ConnectError) and self.sends:
            told = "the image was sent and no usable answer came; a later attempt could not connect"
            error = AnswerLostError(f"{told} ({error.reason})", reason=error.reason, errno=error.errno)
        error.sends, error.elapsed = self.sends, self.elapsed
        error.image = error.image or self.image
        return error


class CallResult(NamedTuple, Generic[AnswerT]):
    """How a call ended: with an answer or an error, and its report."""

    answer: AnswerT | None
    error: WxcvError | None
    report: CallReport

    @property
    def is_unsent(self) -> bool:
        """Whether it failed, and surely nothing of it was sent."""
        return self.error is not None and not self.report.sends

    @property
    def any_answer(self) -> Any:  # noqa: ANN401 - the endpoint's answer, which is there if there is no error
        """The answer, for where it is known to be there."""
        return self.answer
