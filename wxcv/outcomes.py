"""Outcomes: what became of each image of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import attrs

from wxcv.values import Value

if TYPE_CHECKING:
    from wxcv.errors import WxcvError

AnswerT = TypeVar("AnswerT")


@attrs.frozen(repr=False)
class Outcome(Value, Generic[AnswerT]):
    """What became of one image of a batch.

    Attributes:
        index: the place of the item among the images, from 0.
        item: as the iterable gave it.
        image: the item, or what ``key`` made of it.
        status: "ok"; "failed": refused here or by WeChat, or its attempts are used up, and the same image
            will fail again (unless its error concerns the account or the server, as the error's class says);
            "not_sent": never tried, try it again later; "unknown": it went out and had no answer, so WeChat
            may have counted it.
        answer: the endpoint's answer if the status is "ok", else None.
        error: why, if the status is another.
        sends: how many times it went out, wholly or in part.
        elapsed: seconds from when it had its slot.
    """

    index: int
    item: Any = attrs.field(repr=False)
    image: Any = attrs.field(repr=False)
    status: Literal["ok", "failed", "not_sent", "unknown"]
    answer: AnswerT | None
    error: WxcvError | None
    sends: int
    elapsed: float

    def unwrap(self) -> AnswerT:
        """Return the answer, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value] # there is one if there is no error


class Tried(NamedTuple, Generic[AnswerT]):
    """What a batch's function made of one image.

    Attributes:
        answer: or None, if there is an error.
        error: or None.
        sends: how many times it went out.
        lost: how many of these had no answer.
        unreached: how many attempts could not connect.
        wants_token: it ended because no token could be had.
        elapsed: seconds.
    """

    answer: AnswerT | None
    error: WxcvError | None
    sends: int
    lost: int
    unreached: int
    wants_token: bool
    elapsed: float
