"""Any number of images, in flat memory, and nothing lost."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP
from support.batches import Server, collect, statuses
from support.pages import QRCODE
from support.pictures import PICTURE
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from aiohttp import web

    from wxcv.sandbox import Sandbox


@pytest.fixture
def mixed(tmp_path: Path) -> list[Any]:
    """Ten images: one too large, one no image, one missing, one that the server refuses, six good ones."""
    good = tmp_path / "good.png"
    good.write_bytes(PICTURE)
    broken = PICTURE[:40]
    return [
        good,
        bytes(2_097_152),
        good,
        b"no image",
        good,
        tmp_path / "missing.png",
        PICTURE,
        broken,
        good,
        good,
    ]


@pytest.mark.parametrize("ordered", [False, True])
async def test_bad_images_do_not_sink_the_rest(
    box: Sandbox,
    session: wxcv.Session,
    mixed: list[Any],
    ordered: bool,
) -> None:
    """Of ten images, one too large, one no image, one missing and one refused: six are read, four fail."""
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, mixed, ordered=ordered))

    expected = ["ok", "failed", "ok", "failed", "ok", "failed", "ok", "failed", "ok", "ok"]
    assert statuses(outcomes) == expected
    assert {type(outcome.error).__name__ for outcome in outcomes if outcome.status == "failed"} == {
        "ImageTooLargeError",
        "UnsupportedImageError",
        "UnreadableImageError",
        "ImageRejectedError",
    }
    assert [outcome.index for outcome in outcomes] == list(range(10)) or not ordered
    assert box.requests[QRCODE] == 7


async def test_an_outcome_tells_item_image_answer_and_sends(session: wxcv.Session) -> None:
    """With a key, the item stays as the iterable gave it, and the image is what the key made of it."""
    messages = [{"id": 7, "body": PICTURE}]
    (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, messages, key=lambda message: message["body"]))

    assert (outcome.index, outcome.item, outcome.image) == (0, messages[0], PICTURE)
    assert (outcome.status, outcome.error, outcome.sends) == ("ok", None, 1)
    assert outcome.elapsed > 0
    assert outcome.unwrap().code_results[0].data == "x"


async def test_the_lines_of_a_file_are_items_only_with_a_key(session: wxcv.Session, mixed: list[Any]) -> None:
    """A file object is one image, and is refused as a batch unless a key makes images of its lines."""
    with pytest.raises(
        TypeError, match=r"images must be .*, not one file object \(StringIO\); put it into a"
    ):
        session.batch(wxcv.SCAN_QRCODE, io.StringIO("MARKED"))  # type: ignore[arg-type] # on purpose
    names = io.StringIO(f"{mixed[0]}\n{mixed[2]}\n")
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, names, key=str.strip))

    assert statuses(outcomes) == ["ok", "ok"]


async def test_unwrap_raises_the_error(session: wxcv.Session) -> None:
    """unwrap of a failed outcome raises its error."""
    (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [b""]))

    with pytest.raises(wxcv.EmptyImageError):
        outcome.unwrap()
    assert (outcome.status, outcome.sends, outcome.answer) == ("failed", 0, None)


async def test_no_images_give_no_outcomes(session: wxcv.Session) -> None:
    """An empty batch ends at once."""
    assert await collect(session.batch(wxcv.SCAN_QRCODE, [])) == []


async def test_async_iterables_are_taken_as_well(session: wxcv.Session) -> None:
    """Images may come from an async generator."""

    async def images() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield PICTURE

    assert statuses(await collect(session.batch(wxcv.SCAN_QRCODE, images()))) == ["ok"] * 5


@pytest.mark.parametrize("ordered", [False, True])
async def test_images_are_taken_only_as_fast_as_outcomes_are(ordered: bool) -> None:
    """An endless iterable is taken from as far as outcomes find room, and no further."""
    taken = 0

    def images() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield PICTURE

    server = Server()
    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url, concurrency=3) as session:
        async with session.batch(wxcv.SCAN_QRCODE, images(), ordered=ordered, window=7) as outcomes:
            for given in range(1, 30):
                await anext(outcomes)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert taken <= given + (7 if ordered else 6)
            assert server.most <= 3


async def test_an_ordered_batch_waits_for_its_slowest_only_as_far_as_its_window() -> None:
    """While the first image hangs, others go on until the window is full, and then all come in order."""
    server = Server()

    async def call(request: web.Request) -> web.StreamResponse:
        if request.query["img_url"].endswith("/0"):
            await server.open.wait()
        server.calls += 1
        return answer(errcode=0, code_results=[])

    server.open.clear()
    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=4) as session:
        images = [f"https://example.com/{number}" for number in range(40)]
        async with session.batch(wxcv.SCAN_QRCODE, images, ordered=True, window=10) as outcomes:
            first = asyncio.ensure_future(anext(outcomes))
            while server.calls < 9:
                await asyncio.sleep(0.001)
            assert not first.done()
            server.open.set()
            rest = [await first] + [outcome async for outcome in outcomes]

    assert [outcome.index for outcome in rest] == list(range(40))


@pytest.mark.parametrize("count", [0, 1, 3, 20])
async def test_a_window_may_be_smaller_than_the_number_of_workers(session: wxcv.Session, count: int) -> None:
    """An ordered batch that holds one image at a time gives all outcomes, and ends."""
    async with asyncio.timeout(10):
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [b"text"] * count, ordered=True, window=1))

    assert [outcome.index for outcome in outcomes] == list(range(count))


async def test_a_single_call_does_not_wait_behind_a_whole_batch() -> None:
    """A call made while a batch runs waits for at most as many sends as there are slots."""
    server = Server()
    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url, concurrency=4) as session:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 500) as outcomes:
            await anext(outcomes)
            drain = asyncio.create_task(_drain(outcomes))
            before = server.calls
            await session.printed_text(PICTURE)
            assert server.calls - before <= 2 * 4 + 1
            await drain


async def _drain(outcomes: wxcv.Batch[Any]) -> None:
    async for _ in outcomes:
        pass


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ("a.jpg", {}, "put it into a list"),
        (b"bytes", {}, "put it into a list"),
        (5, {}, "iterable"),
        ([], {"key": "body"}, "key"),
        ([], {"window": 0}, "window"),
        ([], {"fields": {"x": "1"}}, "it accepts: none"),
    ],
)
def test_a_bad_argument_is_named(images: Any, options: dict[str, Any], message: str) -> None:
    """A batch of one image instead of many, and other bad arguments, are refused by name."""
    with pytest.raises((TypeError, ValueError), match=message):
        wxcv.Session(APP).batch(wxcv.SCAN_QRCODE, images, **options)
    with pytest.raises(TypeError, match="endpoint"):
        wxcv.Session(APP).batch("scan", [])  # type: ignore[arg-type]
