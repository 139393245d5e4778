"""The outcomes of the images of a batch."""

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
    """The outcome of an image that has an answer: the endpoint's, or that of an answer source.

    Attributes:
        index: the position of the item in the iterable, from 0.
        item: the item that the iterable yielded.
        image: the item, or the image that ``key`` returned for it.
        status: "ok".
        answer: the answer. It is None if it comes from a journal that keeps no answers, or if the
            endpoint cannot read what the journal has.
        error: None.
        sends: how many times the image was sent, in full or in part, over all its tries; 0 if the journal, an
            answer source or another call of the same image had the answer.
        elapsed: seconds from when its last try got a slot to the answer.
        source: whose answer it is: "wechat", "journal" (also that of another call of the same image in the
            same run, if there is a journal), or the ``name`` of the answer source, such as "cache".
    """

    index: int
    item: ItemT = attrs.field(repr=False)
    image: Any = attrs.field(repr=False)
    status: Literal["ok"] = "ok"
    answer: AnswerT
    error: None = None
    sends: int
    elapsed: float
    source: str = "wechat"

    def unwrap(self) -> AnswerT:
        """Return the answer."""
        return self.answer


@attrs.frozen(repr=False, kw_only=True)
class Unanswered(Value, Generic[ItemT]):
    """The outcome of an image without an answer, including one that WeChat refused.

    Attributes:
        index: the position of the item in the iterable, from 0.
        item: the item that the iterable yielded.
        image: the item, or the image that ``key`` returned for it; None if ``key`` raised.
        status: "failed", "not_sent" or "unknown".

            - "failed": wxcv or WeChat refused it, its attempts are used up, or the response was not one of
              WeChat's API (ProtocolError). It will fail again, unless ``error.account_wide`` or
              ``error.retryable``.
            - "not_sent": nothing of it was sent: the quota, a daily limit, the account, the token, the
              network or the store stopped the batch. Send it again later.
            - "unknown": it was sent, perhaps by another call of the same image (then ``sends`` is 0), and no
              complete HTTP response was received; WeChat may have counted it.
        answer: None.
        error: the error.
        sends: how many times the image was sent, in full or in part, over all its tries.
        elapsed: seconds from when its last try got a slot to the error; 0.0 if the batch stopped first.
        source: "journal" if the error comes from there, of an earlier batch or of another call of the
            same image; otherwise None.
    """

    index: int
    item: ItemT = attrs.field(repr=False)
    image: Any = attrs.field(repr=False)
    status: Literal["failed", "not_sent", "unknown"]
    answer: None = None
    error: WxcvError
    sends: int = 0
    elapsed: float = 0.0
    source: Literal["journal"] | None = None

    def unwrap(self) -> NoReturn:
        """Raise the error."""
        raise self.error


Outcome = Answered[ItemT, AnswerT] | Unanswered[ItemT]
"""The outcome of one image of a batch; ``status`` distinguishes the two classes."""
