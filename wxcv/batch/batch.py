"""Batch: a bounded stream of outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from wxcv.batch.outcomes import Outcome
    from wxcv.batch.runner import BatchRunner

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class Batch(Generic[ItemT, AnswerT]):
    """Outcomes of any number of images, as they come or in the order of the images.

    Use it as ``async with session.batch(...) as outcomes: async for outcome in outcomes``; leaving the block
    ends all its work and leaves the session usable. At most ``2 * concurrency`` images are held at a time
    (ordered: ``concurrency`` are worked on, and up to ``window`` outcomes wait for an earlier one), and
    images are taken only as fast as outcomes are. An error that the images' iterable raises is raised after
    the outcomes of the images before it.

    After the first error that is account-wide (``error.account_wide``) nothing more is sent: what is under
    way finishes, and every image left is "not_sent" with that error. While the server cannot be reached, or
    no token can be fetched because of the network, images are tried again; after ``call_timeout`` of that the
    batch stops in the same way. ``slot_timeout`` and ``max_waiting`` of the session do not apply.
    """

    def __init__(self, runner: BatchRunner[ItemT, AnswerT]) -> None:
        self._runner = runner

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[ItemT, AnswerT]:
        return await self._runner.next_outcome()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End and await all work; outcomes that were not taken are dropped. May be called again."""
        await self._runner.aclose()
