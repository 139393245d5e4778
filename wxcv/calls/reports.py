"""CallReport: what a call has done, from which its error and its outcome are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import attrs

from wxcv.errors import AnswerLostError, ConnectError

if TYPE_CHECKING:
    from wxcv.errors import WxcvError

AnswerT = TypeVar("AnswerT")


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
        is_waiting_for_token: whether it waits for a token, or ended while waiting.
        elapsed: seconds from when it got its slot to its end.
        source: "wechat", or the name of the AnswerSource that had the answer.
    """

    image: str | None = None
    image_size: int = 0
    attempts: int = 0
    requests: int = 0
    sends: int = 0
    unanswered: int = 0
    is_waiting_for_token: bool = False
    elapsed: float = 0.0
    source: str = "wechat"

    def complete(self, error: WxcvError) -> WxcvError:
        """Return the error for the whole call, with its sends, its elapsed time and its image.

        A ConnectError means that nothing was sent; if an earlier attempt was, return an AnswerLostError.
        """
        if isinstance(error, ConnectError) and self.sends:
            message = "the image was sent without a usable response, and a later attempt could not connect"
            error = AnswerLostError(f"{message} ({error.reason})", reason=error.reason, errno=error.errno)
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
        return self.error is not None and not self.report.sends

    @property
    def answer_if_ok(self) -> Any:  # noqa: ANN401 - the answer, which is not None if there is no error
        """The answer, for use when ``error`` is None."""
        return self.answer
