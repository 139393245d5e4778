"""A batch with a journal: what is recorded, what is not sent again, and when outcomes are given."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import APP, QUICK, STATIC
from support.batches import Server, collect, statuses
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp import web

IMAGES = [pictures.qr_png(f"image {number}") for number in range(4)]
LONG_AGO = 1_600_000_000


def write_files(folder: Path, images: Sequence[bytes] = IMAGES) -> list[Path]:
    """Write images that were changed long ago for the last time, as far as their times tell."""
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return paths


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[wxcv.Session]:
    async with wxcv.Session(APP, base_url=url, retries=options.pop("retries", QUICK), **options) as session:
        yield session


async def run(url: str, journal: wxcv.Journal, images: Sequence[Any], **options: Any) -> list[Any]:
    """Return the outcomes of one run, in the order of the images."""
    async with opened(url, **options) as session, journal:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, images, journal=journal))
    return sorted(outcomes, key=lambda outcome: outcome.index)


async def entries(path: Path) -> dict[str, wxcv.JournalEntry]:
    """Return what the journal has, by the last part of the image's name."""

    def read() -> dict[str, wxcv.JournalEntry]:
        with wxcv.JournalReader(path) as reader:
            return {Path(entry.image).name: entry for entry in reader.entries()}

    return await asyncio.to_thread(read)


async def test_what_is_ok_is_not_sent_again(tmp_path: Path) -> None:
    """In the second run every answer comes from the journal, equal to the first one, and without a send."""
    server, paths = Server(), write_files(tmp_path)
    async with api_server(server.call) as url:
        first = await run(url, wxcv.Journal(tmp_path / "run.sqlite"), paths)
        second = await run(url, wxcv.Journal(tmp_path / "run.sqlite"), paths)

    assert [(one.status, one.source, one.sends) for one in first] == [("ok", "wechat", 1)] * 4
    assert [(one.status, one.source, one.sends) for one in second] == [("ok", "journal", 0)] * 4
    assert [one.answer for one in second] == [one.answer for one in first]
    assert server.calls == 4


async def test_an_outcome_is_durable_before_it_is_given(tmp_path: Path) -> None:
    """Whenever an outcome is given, another reader of the journal finds it there."""
    server, paths, path = Server(), [*write_files(tmp_path), tmp_path / "missing.png"], tmp_path / "j.sqlite"
    given = {}
    async with (
        api_server(server.call) as url,
        opened(url) as session,
        wxcv.Journal(path) as journal,
        session.batch(wxcv.SCAN_QRCODE, paths, journal=journal) as batch,
    ):
        async for outcome in batch:
            recorded = await entries(path)
            given[outcome.item.name] = (outcome.status, recorded[outcome.item.name].status)

    assert given["missing.png"] == ("failed", "failed")
    assert [given[f"{number}.png"] for number in range(4)] == [("ok", "ok")] * 4


async def test_equal_bytes_are_one_call_and_several_outcomes(tmp_path: Path) -> None:
    """Of files with equal bytes one is sent, also if another one is new in the second run."""
    server, paths = Server(), write_files(tmp_path, [IMAGES[0]] * 20)
    async with api_server(server.call) as url:
        first = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths[:19])
        second = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths)

    assert statuses(first + second[19:]) == ["ok"] * 20
    assert sum(one.sends for one in first) == server.calls == 1
    assert second[19].source == "journal"
    assert (await entries(tmp_path / "j.sqlite")).keys() == {path.name for path in paths}


async def test_changed_bytes_are_a_new_image(tmp_path: Path) -> None:
    """A file with other bytes is sent, even if its size and its time of change are as before."""
    server, (path,) = Server(), write_files(tmp_path, [pictures.PNG])
    async with api_server(server.call) as url:
        await run(url, wxcv.Journal(tmp_path / "j.sqlite"), [path])
        path.write_bytes(pictures.PNG[:-1] + b"x")
        os.utime(path, (LONG_AGO, LONG_AGO))
        (second,) = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), [path])

    assert (second.source, server.calls) == ("wechat", 2)


async def test_a_failure_is_remembered_and_sent_again_on_request(tmp_path: Path) -> None:
    """What WeChat refused has the same error in the next run; with retry={"failed"} it is sent again."""
    server, (path,) = Server(), write_files(tmp_path, IMAGES[:1])
    server.errcode = 101000
    async with api_server(server.call) as url:
        (first,) = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), [path])
        (second,) = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), [path])
        server.errcode = 0
        (third,) = await run(url, wxcv.Journal(tmp_path / "j.sqlite", retry={"failed"}), [path])

    assert (second.status, second.source, second.sends) == ("failed", "journal", 0)
    assert type(second.error) is type(first.error)
    assert second.error.errcode == first.error.errcode == 101000
    assert (third.status, server.calls) == ("ok", 2)


async def test_the_next_run_goes_on_where_the_quota_ended(tmp_path: Path) -> None:
    """After the quota's end nothing more is sent; the next run sends what has no answer."""
    server, paths = Server(), write_files(tmp_path)

    async def call(request: web.Request) -> web.StreamResponse:
        server.errcode = 45009 if server.calls == 2 else 0
        return await server.call(request)

    async with api_server(call) as url:
        first = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths, concurrency=1)
        second = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths, concurrency=1)

    assert statuses(first) == ["ok", "ok", "failed", "not_sent"]
    assert [(one.status, one.source) for one in second] == [
        *[("ok", "journal")] * 2,
        *[("ok", "wechat")] * 2,
    ]
    assert server.calls == 5


async def test_a_stopped_run_still_gives_what_the_journal_has(tmp_path: Path) -> None:
    """After the account's error images that the journal has are "ok", and the others "not_sent"."""
    server, paths = Server(), write_files(tmp_path)
    async with api_server(server.call) as url:
        await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths[2:])
        server.errcode = 48001
        outcomes = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), paths, concurrency=1)

    assert statuses(outcomes) == ["failed", "not_sent", "ok", "ok"]


async def test_the_intent_to_send_is_durable_before_the_first_byte(tmp_path: Path) -> None:
    """With at_most_once the journal calls an image "unknown" while it is being sent."""
    path, seen = tmp_path / "j.sqlite", []

    async def call(request: web.Request) -> web.StreamResponse:
        seen.append([entry.status for entry in (await entries(path)).values()])
        await request.read()
        return answer(code_results=[])

    (image,) = write_files(tmp_path, IMAGES[:1])
    async with api_server(call) as url:
        retries = wxcv.RetryPolicy(at_most_once=True)
        (outcome,) = await run(url, wxcv.Journal(path), [image], retries=retries)

    assert seen == [["unknown"]]
    assert (outcome.status, (await entries(path))["0.png"].status) == ("ok", "ok")


async def test_a_journal_that_fails_stops_sending(tmp_path: Path) -> None:
    """After the journal was closed, the batch raises JournalError, and sends no further image."""
    server, paths = Server(), write_files(tmp_path, [pictures.qr_png(str(number)) for number in range(40)])
    async with (
        api_server(server.call) as url,
        opened(url, concurrency=2) as session,
        wxcv.Journal(tmp_path / "j.sqlite") as journal,
        session.batch(wxcv.SCAN_QRCODE, paths, journal=journal) as batch,
    ):
        await anext(batch)
        await journal.aclose()
        with pytest.raises(wxcv.JournalError, match=r"^the journal is closed; ") as caught:
            async for _ in batch:
                pass

    assert (caught.value.image, caught.value.sends) == (None, 0)
    assert server.calls <= 1 + 2 * 2


async def test_a_batch_that_is_stopped_finishes_what_is_running(tmp_path: Path) -> None:
    """After stop() the calls in flight have their outcomes, and no further image is taken."""
    server, paths = Server(), write_files(tmp_path)
    server.open.clear()
    async with (
        api_server(server.call) as url,
        opened(url, concurrency=2) as session,
        wxcv.Journal(tmp_path / "j.sqlite") as journal,
        session.batch(wxcv.SCAN_QRCODE, paths, journal=journal) as batch,
    ):
        first = asyncio.ensure_future(anext(batch))
        while server.now < 2:
            await asyncio.sleep(0.001)
        batch.stop()
        server.open.set()
        outcomes = [await first, *[outcome async for outcome in batch]]

    assert statuses(outcomes) == ["ok", "ok"]
    assert server.calls == 2


async def test_bytes_are_known_by_their_content(tmp_path: Path) -> None:
    """Bytes that were answered before are not sent again, under whatever name."""
    server = Server()
    images = [IMAGES[0], wxcv.ImageBytes(IMAGES[1], name="b.png")]
    async with api_server(server.call) as url:
        await run(url, wxcv.Journal(tmp_path / "j.sqlite"), images)
        again = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), [IMAGES[1], IMAGES[0]])

    assert [one.source for one in again] == ["journal"] * 2
    assert server.calls == 2


async def test_endpoints_and_fields_are_told_apart(tmp_path: Path) -> None:
    """The answer of one endpoint, or with other fields, is not used for another one."""
    server, paths = Server(), write_files(tmp_path, IMAGES[:1])
    async with (
        api_server(server.call) as url,
        opened(url) as session,
        wxcv.Journal(tmp_path / "j.sqlite") as journal,
    ):
        for fields in ({"type": "photo"}, {"type": "scan"}, {"type": "photo"}):
            endpoint = wxcv.Endpoint("mine", "/cv/img/mine", dict, ("type",))
            await collect(session.batch(endpoint, paths, fields=fields, journal=journal))

    assert server.calls == 2


async def test_a_journal_needs_the_account(tmp_path: Path) -> None:
    """A credential whose account is unknown is refused before anything is opened."""
    async with wxcv.Session(STATIC) as session:
        with pytest.raises(ValueError, match="journal needs to know the account"):
            session.batch(wxcv.SCAN_QRCODE, [], journal=wxcv.Journal(tmp_path / "j.sqlite"))
        with pytest.raises(TypeError, match="journal must be a Journal, not str"):
            session.batch(wxcv.SCAN_QRCODE, [], journal="j.sqlite")  # type: ignore[call-overload]

    assert not list(tmp_path.iterdir())


async def test_a_recorded_error_is_no_outage(tmp_path: Path) -> None:
    """Bytes that are recorded as unknown are given as such at once, and the others are sent."""
    server, first = Server(), wxcv.Journal(tmp_path / "j.sqlite")
    server.open.clear()
    async with api_server(server.call) as url:
        async with opened(url, retries=wxcv.RetryPolicy(at_most_once=True)) as session, first:
            batch = session.batch(wxcv.SCAN_QRCODE, IMAGES[:3], journal=first)
            running = asyncio.ensure_future(anext(batch))
            while server.now < 3:
                await asyncio.sleep(0.001)
            await session.aclose(grace=0)
            server.open.set()
            with pytest.raises((wxcv.SessionClosedError, StopAsyncIteration)):
                while await running:
                    running = asyncio.ensure_future(anext(batch))
        outcomes = await run(url, wxcv.Journal(tmp_path / "j.sqlite"), IMAGES)

    assert [(one.status, one.source) for one in outcomes] == [*[("unknown", "journal")] * 3, ("ok", "wechat")]


async def test_two_sessions_send_an_image_once(tmp_path: Path) -> None:
    """Batches of two sessions on one journal wait for each other's sends of equal images."""
    server = Server()
    server.open.clear()
    async with (
        api_server(server.call) as url,
        opened(url) as one,
        opened(url) as other,
        wxcv.Journal(tmp_path / "j.sqlite") as journal,
    ):
        runs = [
            asyncio.ensure_future(collect(session.batch(wxcv.SCAN_QRCODE, IMAGES, journal=journal)))
            for session in (one, other)
        ]
        while server.now < 4 or other.stats().running < 4:
            await asyncio.sleep(0.001)
        server.open.set()
        outcomes = await asyncio.gather(*runs)

    assert [statuses(outcome) for outcome in outcomes] == [["ok"] * 4] * 2
    assert server.calls == 4


async def test_a_batch_that_is_closed_before_it_sends_leaves_no_intent(tmp_path: Path) -> None:
    """Images of which nothing was sent are not recorded as unknown, whenever their batch is closed."""
    server = Server()
    files = write_files(tmp_path, [pictures.qr_png(f"{number}") for number in range(8)])
    async with api_server(server.call) as url:
        for turns in range(12):
            path = tmp_path / f"{turns}.sqlite"
            retries = wxcv.RetryPolicy(at_most_once=True)
            async with opened(url, retries=retries) as session, wxcv.Journal(path) as journal:
                await session.token()
                server.calls = 0
                batch = session.batch(wxcv.SCAN_QRCODE, files, journal=journal)
                first = asyncio.ensure_future(anext(batch))
                for _ in range(4 * turns):
                    await asyncio.sleep(0)
                await batch.aclose()
                await asyncio.wait([first])
                first.cancelled() or first.exception()
            unknown = [entry for entry in (await entries(path)).values() if entry.status == "unknown"]
            assert len(unknown) <= server.calls


async def test_a_journal_waits_for_the_answers_that_were_paid_for(tmp_path: Path) -> None:
    """Closed after a batch that was left early, it has the answers of all images that were being sent."""
    server, path, files = Server(), tmp_path / "j.sqlite", write_files(tmp_path)
    server.open.clear()
    async with api_server(server.call) as url, opened(url) as session:
        async with wxcv.Journal(path) as journal:
            async with session.batch(wxcv.SCAN_QRCODE, files, journal=journal) as batch:
                first = asyncio.ensure_future(anext(batch))
                while server.now < 4:
                    await asyncio.sleep(0.001)
                first.cancel()
            server.open.set()

    assert [entry.status for entry in (await entries(path)).values()] == ["ok"] * 4


async def test_a_file_that_is_unchanged_is_not_read_again(tmp_path: Path) -> None:
    """Its outcome comes from the journal without a call; with checksum=True the file is read."""
    server, paths, path = Server(), write_files(tmp_path), tmp_path / "j.sqlite"
    later = wxcv.ManualClock(wall=time.time() + 100.0)  # so that the files' times are not of this moment
    async with api_server(server.call) as url:
        await run(url, wxcv.Journal(path, clock=later), paths)
        calls = []
        for checksum in (False, True):
            async with opened(url) as session, wxcv.Journal(path, checksum=checksum, clock=later) as journal:
                outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, paths, journal=journal))
                calls.append(session.stats().calls)
            assert [one.source for one in outcomes] == ["journal"] * 4

    assert calls == [0, 4]
    assert server.calls == 4


async def test_a_stop_does_not_wait_for_the_next_image() -> None:
    """While the images' async iterable has none, stop() ends the batch."""
    waiting = asyncio.Event()

    async def images() -> AsyncIterator[bytes]:
        yield IMAGES[0]
        waiting.set()
        await asyncio.Event().wait()

    server = Server()
    async with (
        api_server(server.call) as url,
        opened(url) as session,
        session.batch(wxcv.SCAN_QRCODE, images()) as batch,
    ):
        outcomes = [await anext(batch)]
        await waiting.wait()
        batch.stop()
        outcomes += [outcome async for outcome in batch]

    assert statuses(outcomes) == ["ok"]


async def test_what_a_limit_stopped_leaves_no_intent(tmp_path: Path) -> None:
    """Images beyond a daily limit are recorded as not sent, also with at_most_once."""
    server, path = Server(), tmp_path / "j.sqlite"
    options = {"daily_limits": wxcv.DailyLimits({wxcv.SCAN_QRCODE: 1}), "concurrency": 1}
    async with api_server(server.call) as url:
        retries = wxcv.RetryPolicy(at_most_once=True)
        outcomes = await run(url, wxcv.Journal(path), write_files(tmp_path)[:2], retries=retries, **options)

    assert statuses(outcomes) == ["ok", "not_sent"]
    assert sorted(entry.status for entry in (await entries(path)).values()) == ["not_sent", "ok"]
    assert server.calls == 1
