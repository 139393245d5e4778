"""Outcomes: what became of each image of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar

import attrs

from wxcv.values import Value

if TYPE_CHECKING:
    from wxcv.errors import WxcvError

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


@attrs.frozen(repr=False, kw_only=True)
class Answered(Value, Generic[ItemT, AnswerT]):
    """An image of a batch that was answered.

    Attributes:
        index: the place of the item among the images, from 0.
        item: as the iterable gave it.
        image: the item, or what ``key`` made of it.
        status: "ok".
        answer: the endpoint's answer.
        error: None.
        sends: how many times it was sent, wholly or in part.
        elapsed: seconds since it had its slot.
    """

    index: int
    item: ItemT = attrs.field(repr=False)
    image: Any = attrs.field(repr=False)
    status: Literal["ok"] = "ok"
    answer: AnswerT
    error: None = None
    sends: int
    elapsed: float

    def unwrap(self) -> AnswerT:
        """Return the answer."""
        return self.answer


@attrs.frozen(repr=False, kw_only=True)
class Unanswered(Value, Generic[ItemT]):
    """An image of a batch without an answer.

    Attributes:
        index: the place of the item among the images, from 0.
        item: as the iterable gave it.
        image: the item, or what ``key`` made of it.
        status: "failed": refused here or by WeChat, or its attempts are used up, and the same image will fail
            again (unless ``error.account_wide`` or ``error.retryable``); "not_sent": nothing of it was sent,
            try it again later; "unknown": it was sent and no usable answer came, so WeChat may have counted
            it.
        answer: None.
        error: why.
        sends: how many times it was sent, wholly or in part.
        elapsed: seconds since it had its slot; 0.0 if it never had one.
    """

    index: int
    item: ItemT = attrs.field(repr=False)
    image: Any = attrs.field(repr=False)
    status: Literal["failed", "not_sent", "unknown"]
    answer: None = None
    error: WxcvError
    sends: int = 0
    elapsed: float = 0.0

    def unwrap(self) -> NoReturn:
        """Raise the error."""
        raise self.error


Outcome = Answered[ItemT, AnswerT] | Unanswered[ItemT]
"""What became of one image of a batch; ``status`` tells the two apart."""
