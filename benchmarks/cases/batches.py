"""What the benchmarks of `Session.batch` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wxcv
from benchmarks.harness.answerer import DATA
from benchmarks.harness.core import MissingError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def require_batch() -> None:
    """Raise MissingError while there is no Session.batch."""
    if not hasattr(wxcv.Session, "batch"):
        raise MissingError("needs Session.batch")


async def drain(  # noqa: PLR0913 - what differs between the benchmarks
    session: wxcv.Session,
    images: Iterable[object],
    count: int,
    *,
    ordered: bool = False,
    journal: object = None,
    seen: Callable[[int], object] = lambda _number: None,
) -> None:
    """Send all images through a batch; fail unless each index comes exactly once, and well.

    Args:
        session: where to.
        images: bytes or paths.
        count: how many they are.
        ordered: in the order of the images.
        journal: where the outcomes are recorded, or None.
        seen: called with the number of outcomes so far, after each.
    """
    is_seen, number = bytearray(count), 0
    any_session: Any = session  # for as long as Session.batch is missing
    options = {} if journal is None else {"journal": journal}
    async with any_session.batch(wxcv.SCAN_QRCODE, images, ordered=ordered, **options) as outcomes:
        async for outcome in outcomes:
            require(is_true=outcome.status == "ok", otherwise=f"{outcome.status}: {outcome.error!r}")
            is_right = outcome.answer.code_results[0].data == DATA
            require(is_true=is_right, otherwise="an answer says something else than the picture")
            require(is_true=not is_seen[outcome.index], otherwise=f"index {outcome.index} came twice")
            in_turn = not ordered or outcome.index == number
            require(is_true=in_turn, otherwise=f"index {outcome.index} came out of turn")
            is_seen[outcome.index] = 1
            number += 1
            seen(number)
    require(is_true=number == count, otherwise=f"{count} images, and {number} outcomes")
