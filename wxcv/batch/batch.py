"""Batch: a stream of outcomes with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from wxcv.batch.outcomes import Outcome
    from wxcv.batch.runner import BatchRunner

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class Batch(Generic[ItemT, AnswerT]):
    """The outcomes of any number of images, as they are ready or in the order of the images.

    Use it as ``async with session.batch(...) as outcomes: async for outcome in outcomes``. Leaving the block
    ends all its work; the session remains usable. At most ``2 * concurrency`` images are held at a time
    (ordered: at most ``window`` images are in progress or waiting for an earlier one; a window below
    ``concurrency`` reduces the concurrency), and images are consumed only as fast as outcomes are. An
    exception that the images' iterable raises is raised after the outcomes of the images before it.

    After the first account-wide error (``error.account_wide``) nothing more is sent: calls that are running
    finish, and every remaining image is "not_sent" with that error. While the server or the store cannot be
    reached, or no token can be fetched because of the network, images are tried again; if that lasts for
    ``call_timeout``, the batch stops in the same way. The session's ``slot_timeout`` and ``max_waiting`` do
    not apply. If its journal fails, JournalError is raised after the outcomes that are in it.
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

    def stop(self) -> None:
        """Take no more images: calls that are running finish, and the batch ends after their outcomes.

        If the batch is waiting for the next image of an async iterable, that wait is cancelled. May be called
        again, and before the first outcome was consumed.
        """
        self._runner.stop()

    async def aclose(self) -> None:
        """Cancel and await all work; outcomes that were not consumed are dropped. May be called again."""
        await self._runner.aclose()
