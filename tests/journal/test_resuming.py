"""What the next run does again."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.journals import ANSWER, make_file, make_image, process, read_entries, start_run

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

REJECTED = wxcv.ImageRejectedError(101002, "bad")
URL = wxcv.ImageUrl("https://example.com/a.png")


@pytest.fixture
async def later() -> wxcv.ManualClock:
    """A clock by which the files of a test are old enough, as their ctime cannot be set."""
    return wxcv.ManualClock(wall=time.time() + 10)


async def record(path: Path, image: Path, clock: wxcv.ManualClock) -> None:
    """Record the answer of an image, and close the journal."""
    async with wxcv.Journal(path, clock=clock) as journal:
        await process(start_run(journal), image)


async def look_again(path: Path, image: Any, **settings: Any) -> Any:
    """Open the journal again and return what it knows of an image by its name."""
    async with wxcv.Journal(path, **settings) as journal:
        return (await start_run(journal).look_up(image)).known


# --- files by their names


async def test_a_file_that_is_as_recorded_is_not_read(
    path: Path, tmp_path: Path, later: wxcv.ManualClock
) -> None:
    """With its size, times and number as recorded it is known by its name, unless all are to be read."""
    image = make_file(tmp_path)
    await record(path, image, later)

    for name in (image, str(image), os.path.relpath(image)):
        assert (await look_again(path, name)).answer == ANSWER
    assert await look_again(path, image, checksum=True) is None


@pytest.mark.parametrize("change", ["bytes", "time", "copy", "link", "none", "folder"])
async def test_a_file_that_was_changed_is_read_again(
    path: Path, tmp_path: Path, later: wxcv.ManualClock, change: str
) -> None:
    """Other bytes of the same size, another time or another file make it unknown by its name."""
    image = make_file(tmp_path, data=b"1")
    await record(path, image, later)
    before = image.stat()
    match change:
        case "bytes":
            image.write_bytes(image.read_bytes()[:-1] + b"2")
            os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
        case "time":
            os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        case "copy":
            make_file(tmp_path, "b.png", b"1").replace(image)
        case "link":
            image.rename(tmp_path / "b.png")
            image.symlink_to(make_file(tmp_path, "c.png", b"1"))
        case _:
            image.unlink()
            if change == "folder":
                image.mkdir()

    assert await look_again(path, image) is None


async def test_a_file_that_changes_while_it_is_being_sent_is_read_again(
    path: Path, tmp_path: Path, later: wxcv.ManualClock
) -> None:
    """The answer belongs to the bytes that were read, and not to those that the file has afterwards."""
    image = make_file(tmp_path)
    async with wxcv.Journal(path, clock=later) as journal:
        run = start_run(journal)
        record = await run.look_up(image)
        await record.find(make_image())
        image.write_bytes(b"other")
        await record.save_call("ok", ANSWER, None, 1, "wechat")

        assert (await run.look_up(image)).known is None
        assert (await (await run.look_up(b"")).find(make_image())) is not None


async def test_a_file_that_is_new_is_read_again(path: Path, tmp_path: Path) -> None:
    """Within two seconds a file may change without a change of its times, so they are not recorded."""
    image = make_file(tmp_path, age=-3600)
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), image)

    assert await look_again(path, image) is None


async def test_names_of_any_bytes_are_kept(path: Path, tmp_path: Path, later: wxcv.ManualClock) -> None:
    """A name that is not UTF-8 is found again, and shown as Python shows it."""
    image = make_file(tmp_path, os.fsdecode(b"\xff\x01.png"))
    await record(path, image, later)

    assert (await look_again(path, image)).status == "ok"
    assert [entry.image for entry in await read_entries(path)] == [str(image)]


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 100_000, "data:" + "x" * 100_000, "/etc/\n"])
async def test_a_name_that_none_can_have_harms_nothing(path: Path, name: str) -> None:
    """It is not known, and its failure can be saved."""
    error = wxcv.UnreadableImageError("x", "missing")
    async with wxcv.Journal(path) as journal:
        record = await start_run(journal).look_up(name)
        assert record.known is None
        await record.save_call("failed", None, error, 0, None)
        assert record.is_saved


async def test_without_local_files_none_is_looked_at(
    path: Path, tmp_path: Path, later: wxcv.ManualClock
) -> None:
    """A path of a session with ``local_files=False`` is not known, as it must be refused."""
    image = make_file(tmp_path)
    await record(path, image, later)
    async with wxcv.Journal(path) as journal:
        assert (await start_run(journal).look_up(image)).known is not None
        assert (await start_run(journal, local_files=False).look_up(image)).known is None


# --- which results count


@pytest.mark.parametrize(
    ("status", "retry", "is_known"),
    [
        ("failed", (), True),
        ("failed", ["failed"], False),
        ("failed", {"unknown"}, True),
        ("unknown", (), True),
        ("unknown", ("unknown",), False),
        ("unknown", ("failed",), True),
        ("not_sent", (), False),
    ],
)
async def test_retry_says_what_is_done_again(path: Path, status: Any, retry: Any, is_known: bool) -> None:
    """What failed or is unknown is done again only if asked for, and what was not sent always."""
    error = wxcv.AnswerLostError("lost", reason="X")
    async with wxcv.Journal(path) as journal:
        record = await start_run(journal).look_up(URL)
        await record.find(URL)
        await record.save_call(status, None, error, 1, None)
    known = await look_again(path, URL, retry=retry)

    assert (known is not None) is is_known
    if is_known:
        assert (known.status, known.answer, known.error.reason) == (status, None, "X")
        assert str(known.error) == "https://example.com/a.png: lost"


async def test_what_failed_in_this_run_is_not_done_again(path: Path) -> None:
    """``retry`` is about earlier runs: a second image with the same bytes gets the error of the first."""
    async with wxcv.Journal(path, retry=["failed"]) as journal:
        run = start_run(journal)
        await process(run, make_image().data, REJECTED)
        second = await run.look_up(b"")
        assert (await second.find(make_image(name="b.png"))) is not None
        assert str(second.known.error).startswith("b.png: errcode 101002")  # type: ignore[union-attr] # as seen

        third = await start_run(journal).look_up(b"")
        assert await third.find(make_image()) is None


async def test_an_image_that_wxcv_refused_is_read_again(path: Path, tmp_path: Path) -> None:
    """To refuse an image costs nothing, and it may be another one by now."""
    async with wxcv.Journal(path) as journal:
        record = await start_run(journal).look_up(tmp_path / "none.png")
        await record.save_call("failed", None, wxcv.UnreadableImageError("none.png", "missing"), 0, None)

    assert await look_again(path, tmp_path / "none.png") is None
    (entry,) = await read_entries(path)
    assert (entry.image, entry.status, entry.digest) == (str(tmp_path / "none.png"), "failed", None)
    assert entry.error == {"type": "UnreadableImageError", "message": "none.png: missing"}


async def test_the_answer_of_a_url_has_an_age(path: Path) -> None:
    """Older than ``max_age`` it is sent again; bytes are never too old."""
    clock = wxcv.ManualClock()
    data = make_image().data
    async with wxcv.Journal(path, clock=clock, max_age=60) as journal:
        for image in (URL, data):
            await process(start_run(journal), image)
        clock.advance(60)
        assert (await start_run(journal).look_up(URL)).known is not None
        clock.advance(1)
        assert (await start_run(journal).look_up(URL)).known is None
        assert await (await start_run(journal).look_up(data)).find(make_image()) is not None


@pytest.mark.parametrize(
    "change", [{"account": "wx2"}, {"fields": {"type": "MODE"}}, {"fit": True}, {"endpoint": wxcv.IDCARD}]
)
async def test_another_call_is_not_known(path: Path, change: dict[str, Any]) -> None:
    """Account, endpoint, fields and fit belong to the call, as they change its answer."""
    data = make_image().data
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), data)
        record = await start_run(journal, **change).look_up(data)

        assert await record.find(make_image()) is None


# --- what replaces what


async def save(journal: wxcv.Journal, status: Any, sends: int = 1) -> None:
    """Save a result of one and the same image, in a run of its own."""
    record = await start_run(journal).look_up(URL)
    answer = ANSWER if status == "ok" else None
    error = None if status == "ok" else wxcv.AnswerLostError(status)
    await record.save_call(status, answer, error, sends, None)


@pytest.mark.parametrize(
    ("statuses", "kept"),
    [
        (("failed", "ok"), "ok"),
        (("unknown", "failed"), "failed"),
        (("ok", "unknown"), "unknown"),
        (("ok", "not_sent"), "ok"),
        (("failed", "not_sent"), "failed"),
        (("unknown", "not_sent"), "unknown"),
        (("not_sent", "failed"), "failed"),
    ],
)
async def test_the_newest_result_counts(path: Path, statuses: tuple[str, str], kept: str) -> None:
    """It replaces that of an earlier run, unless nothing was sent; the sends add up."""
    clock = wxcv.ManualClock()
    async with wxcv.Journal(path, clock=clock) as journal:
        for status in statuses:
            await save(journal, status, 0 if status == "not_sent" else 2)
            clock.advance(1)
    (entry,) = await read_entries(path)

    assert (entry.status, entry.answer is not None) == (kept, kept == "ok")
    assert entry.sends == sum(0 if status == "not_sent" else 2 for status in statuses)


async def test_a_result_without_an_answer_replaces_no_answer_of_the_same_run(path: Path) -> None:
    """Whatever another call of the same image comes to, the answer stays."""
    async with wxcv.Journal(path, clock=wxcv.ManualClock()) as journal:
        await save(journal, "ok")
        await save(journal, "unknown")
    (entry,) = await read_entries(path)

    assert (entry.status, entry.sends) == ("ok", 2)


async def test_a_file_that_is_gone_takes_no_answer_with_it(path: Path, tmp_path: Path) -> None:
    """An image that was answered and then deleted keeps its answer, also after a run that did not find it."""
    image = make_file(tmp_path)
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), image)
        image.unlink()
        record = await start_run(journal).look_up(image)
        await record.save_call("failed", None, wxcv.UnreadableImageError("a.png", "missing"), 0, None)
    (entry,) = await read_entries(path)

    assert (entry.image, entry.status) == (str(image), "ok")


async def test_a_path_with_dots_behind_a_link_is_the_file_that_is_read(path: Path, tmp_path: Path) -> None:
    """``link/..`` is the parent of the folder to which the link leads, not that of the link."""
    (tmp_path / "other" / "folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "other" / "folder")
    near, far = make_file(tmp_path, data=b"near"), make_file(tmp_path / "other", data=b"far")
    async with wxcv.Journal(path, clock=wxcv.ManualClock(time.time() + 10)) as journal:
        await process(start_run(journal), near)
        first = await process(start_run(journal), tmp_path / "link" / ".." / "a.png")
        again = await start_run(journal).look_up(tmp_path / "link" / ".." / "a.png")

    assert first.known is None
    assert again.known is not None
    digests = {entry.digest for entry in await read_entries(path)}
    assert digests == {hashlib.sha256(file.read_bytes()).hexdigest() for file in (near, far)}


async def test_a_path_with_a_slash_behind_it_is_no_file(path: Path, tmp_path: Path) -> None:
    """It cannot be read, so that the answer of the file without the slash is not taken for it."""
    image = make_file(tmp_path)
    async with wxcv.Journal(path, clock=wxcv.ManualClock(time.time() + 10)) as journal:
        await process(start_run(journal), image)

        assert (await start_run(journal).look_up(f"{image}/")).known is None
        assert (await start_run(journal).look_up(f"{tmp_path}/./a.png")).known is not None
