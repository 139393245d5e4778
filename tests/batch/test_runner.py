"""Faults of the caller's iterable, key and objects, and of the work itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import TOKEN
from support.batches import Server, collect, statuses
from support.pictures import PICTURE
from support.servers import api_server

import wxcv
from wxcv.batch.outages import OutageDetector
from wxcv.batch.processing import ImageProcessor
from wxcv.batch.runner import BatchRunner
from wxcv.calls.reports import CallReport, CallResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def batch_of(
    work: Callable[[Any, Callable[[], None]], Awaitable[CallResult[int]]], *, concurrency: int, ordered: bool
) -> wxcv.Batch[int, int]:
    """Return a batch of the numbers to 100, on which that function works."""
    clock = wxcv.ManualClock()
    processor: ImageProcessor[int, int] = ImageProcessor(
        lambda image, before_send, _record, _report: work(image, before_send),
        outages=OutageDetector(clock, 60.0, lambda: 0.0),
        clock=clock,
        start=wxcv.CallStart("scan_qrcode", "/cv/img/qrcode"),
    )
    runner: BatchRunner[int, int] = BatchRunner(
        processor.process,
        range(100),
        concurrency=concurrency,
        window=2 * concurrency,
        ordered=ordered,
    )
    return wxcv.Batch(runner)


async def test_an_error_of_the_iterable_comes_after_the_outcomes(session: wxcv.Session) -> None:
    """What the images' iterable raises is raised after the outcomes of the images before it."""

    def images() -> Iterator[bytes]:
        yield from [PICTURE] * 5
        raise ZeroDivisionError("mine")

    seen = []
    with pytest.raises(ZeroDivisionError, match="mine"):
        async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok"] * 5


async def test_a_key_that_raises_fails_its_item_only(session: wxcv.Session) -> None:
    """If key raises for an item, that item fails with a name and the reason, and the others are done."""
    items: list[dict[str, bytes]] = [{"body": PICTURE}, {}, {"body": PICTURE}]
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, items, key=lambda item: item["body"]))

    assert statuses(outcomes) == ["ok", "failed", "ok"]
    (failed,) = [outcome for outcome in outcomes if outcome.error]
    assert "image 1: key raised KeyError" in str(failed.error)
    assert (failed.index, failed.item, failed.image) == (1, {}, None)
    assert (failed.sends, failed.elapsed) == (0, 0.0)


async def test_an_iterable_that_is_cancelled_does_not_end_a_batch_silently(session: wxcv.Session) -> None:
    """If the images' iterable raises CancelledError by itself, that is an error after its outcomes."""

    def images() -> Iterator[bytes]:
        yield PICTURE
        raise asyncio.CancelledError

    seen = []
    with pytest.raises(RuntimeError, match="iterable was cancelled"):
        async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok"]


class _Odd:
    """A path that breaks when it is asked for."""

    def __fspath__(self) -> str:
        raise KeyError("broken")


async def test_an_object_that_breaks_fails_alone(session: wxcv.Session) -> None:
    """An image object that raises anything at all fails by itself."""
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE, _Odd(), PICTURE]))

    assert statuses(outcomes) == ["ok", "failed", "ok"]


async def test_a_fault_of_the_function_is_raised_where_outcomes_are_taken() -> None:
    """If the function behind a batch breaks, the outcomes so far are given, then what it raised."""

    async def work(image: int, _before_send: Callable[[], None]) -> CallResult[int]:
        if image == 3:
            raise ZeroDivisionError
        return CallResult(image, None, CallReport(sends=1))

    batch = batch_of(work, concurrency=1, ordered=True)
    seen = []
    with pytest.raises(ZeroDivisionError):
        async for outcome in batch:
            seen.append(outcome.answer)  # noqa: PERF401 - the rest must be kept

    assert seen == [0, 1, 2]


class Cancelling:
    """A file object whose read is cancelled by nobody."""

    def read(self, _size: int) -> bytes:
        """Do so."""
        raise asyncio.CancelledError


class Unreadable:
    """An object that has no file, as a web framework's field of a form."""

    @property
    def read(self) -> object:
        """Raise."""
        raise ValueError("no file")


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_object_that_breaks_sinks_itself_only(*, ordered: bool) -> None:
    """A file object that raises CancelledError, or raises for its read, is one failed image."""
    images = [PICTURE, Cancelling(), Unreadable(), *[PICTURE] * 30]
    async with (
        api_server(Server().call) as url,
        wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, concurrency=2) as session,
    ):
        got = await collect(session.batch(wxcv.SCAN_QRCODE, images, ordered=ordered, window=2))

    failed = {outcome.index: outcome.error for outcome in got if outcome.status == "failed"}
    assert len(got) == len(images)
    assert {index: type(error) for index, error in failed.items()} == dict.fromkeys(
        (1, 2), wxcv.UnreadableImageError
    )


@pytest.mark.parametrize("ordered", [False, True])
async def test_work_that_is_cancelled_by_nobody_ends_the_batch_with_an_error(*, ordered: bool) -> None:
    """A batch never ends quietly, and never waits for ever, behind an image that got no outcome."""
    done = 0

    async def work(_image: object, _before_send: Callable[[], None]) -> CallResult[int]:
        nonlocal done
        done += 1
        await asyncio.sleep(0)
        if done > 3:
            raise asyncio.CancelledError
        return CallResult(1, None, CallReport(sends=1))

    batch = batch_of(work, concurrency=2, ordered=ordered)

    with pytest.raises(RuntimeError, match="but not by the batch"):
        await collect(batch)
