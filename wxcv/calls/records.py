"""CallRecord: records the result of a call before anyone gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from wxcv.errors import WxcvError
    from wxcv.images.loading import LoadedImage


class KnownResult(Protocol):
    """The result of an earlier call.

    Attributes:
        answer: the answer, which may be None if only its status was kept.
        error: the error, or None if there was an answer.
    """

    @property
    def answer(self) -> Any: ...  # noqa: ANN401 - of any endpoint

    @property
    def error(self) -> WxcvError | None: ...


class CallRecord(Protocol):
    """The record of one image's call, such as a JournalRecord.

    Attributes:
        key: equal for the calls of which one send is enough, once ``find`` has been called.
        known: the result of an earlier call, or None.
    """

    @property
    def known(self) -> KnownResult | None: ...

    @property
    def key(self) -> Hashable: ...

    async def find(self, image: LoadedImage) -> KnownResult | None:
        """Return the result of an earlier call of the same image, or None."""

    async def begin(self) -> None:
        """Prepare for a send; called before its first byte leaves, and before every further send of the call.

        It may raise the error of another call of the same image that has ended meanwhile; ``known`` is its
        result then.
        """

    def end(self) -> None:
        """End what ``begin`` began; its result, if any, was saved."""

    async def withdraw(self) -> None:
        """Undo ``begin``, as nothing was sent."""

    async def save_call(
        self,
        status: Literal["ok", "failed", "not_sent", "unknown"],
        answer: Any,  # noqa: ANN401 - of any endpoint
        error: WxcvError | None,
        sends: int,
        source: str | None,
    ) -> None:
        """Record a result; it is durable when this returns."""
