"""One image in one batch: its key, its intent, and calls of the same image at the same time."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.journals import ANSWER, PNG, make_file, make_image, process, read_entries, start_run

import wxcv
from wxcv.images.loading import UnfittedImage

if TYPE_CHECKING:
    from pathlib import Path


async def find(run: Any, loaded: Any, image: Any = b"") -> Any:
    """Return the record of an image that was read."""
    record = await run.look_up(image)
    await record.find(loaded)
    return record


# --- the key


async def test_the_key_is_that_of_the_content(path: Path) -> None:
    """Equal bytes have one key, whatever their names; bytes that are large or to be fitted too."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        one = await find(run, make_image(b"1", "a.png"))
        two = await find(run, UnfittedImage("b.heic", PNG + b"1"))
        other = await find(run, make_image(b"2", "a.png"))
        large = [await find(run, make_image(bytes(1_000_000))) for _ in range(2)]
        unread = [await run.look_up(b"") for _ in range(2)]

    assert one.key == two.key != other.key
    assert large[0].key == large[1].key != one.key
    assert unread[0].key != unread[1].key


async def test_a_content_type_of_the_caller_belongs_to_the_key(path: Path) -> None:
    """It is sent, and may change the answer."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        typed = await find(run, make_image(), wxcv.ImageBytes(PNG, content_type="image/heic"))
        plain = await find(run, make_image(), wxcv.ImageBytes(PNG))
        await typed.save_call("ok", ANSWER, None, 1, "wechat")

        assert (await find(run, make_image())).known is None
    (entry,) = await read_entries(path)

    assert typed.key != plain.key
    assert len(entry.digest or "") == 64


async def test_equal_bytes_have_several_entries(path: Path, tmp_path: Path) -> None:
    """Each image with the same bytes has an entry of its own with the answer of the one call."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        for image in (make_file(tmp_path, "a.png"), make_file(tmp_path, "b.png"), PNG):
            await process(run, image)
    entries = await read_entries(path)

    assert [entry.label.rpartition("/")[2] for entry in entries] == ["name", "a.png", "b.png"]
    assert {(entry.status, entry.sends, entry.digest) for entry in entries} == {("ok", 1, entries[0].digest)}


async def test_a_call_that_is_recorded_while_it_is_looked_for_is_found(path: Path) -> None:
    """Between a look at the disk and the caller's next step, no result is missed."""
    running, begin, end = threading.Event(), threading.Event(), threading.Event()

    def occupy(_connection: object) -> None:
        running.set()
        begin.wait(30)

    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        saving, finding = await find(run, make_image()), await run.look_up(b"")
        before = asyncio.ensure_future(run.read(occupy))
        await asyncio.to_thread(running.wait, 30)
        known = asyncio.ensure_future(finding.find(make_image()))
        behind = asyncio.ensure_future(run.read(lambda _connection: end.wait(30)))
        await asyncio.sleep(0)
        begin.set()
        await before  # what is behind it is now read, and told together
        await saving.save_call("ok", ANSWER, None, 1, "wechat")
        end.set()

        assert (await known).status == "ok"
        await behind


async def test_reading_an_image_may_help_if_its_content_may_be_known(path: Path) -> None:
    """Bytes, and a file that was recorded but may have changed; never a new file or a URL."""
    async with wxcv.Journal(path) as journal:
        run, file = start_run(journal), make_file(path.parent)
        await run.look_up(file)  # which finds that there is no call yet
        assert not (await run.look_up(PNG)).may_be_known
        await process(run, file)  # its ctime is of this moment, so that a change might not be seen

        images = [PNG, file, path.parent / "new.png", "https://example.com/a.png"]
        records = [await run.look_up(image) for image in images]
        assert [record.may_be_known for record in records] == [True, True, False, False]


# --- the intent


async def test_an_intent_that_was_withdrawn_leaves_what_was_before(path: Path) -> None:
    """Nothing, or the error of an earlier run."""
    lost = wxcv.AnswerLostError("lost")
    async with wxcv.Journal(path, retry=["unknown"]) as journal:
        for _ in range(2):
            record = await find(start_run(journal, at_most_once=True), make_image())
            await record.begin()
            (entry,) = await read_entries(path)
            assert (entry.status, entry.ended_at, entry.error) == ("unknown", None, None)
            await record.withdraw()
            await record.withdraw()
            entries = await read_entries(path)
            await record.begin()
            await record.save_call("unknown", None, lost, 1, None)
            await record.withdraw()

    assert [(entry.status, entry.sends) for entry in entries] == [("unknown", 1)]
    (entry,) = await read_entries(path)
    assert (entry.status, entry.sends) == ("unknown", 2)


async def test_an_intent_ends_with_any_result(path: Path) -> None:
    """What was not sent after all is not sent, and neither unknown nor being sent."""
    async with wxcv.Journal(path) as journal:
        record = await find(start_run(journal, at_most_once=True), make_image())
        await record.begin()
        await record.save_call("not_sent", None, wxcv.ConnectError("down"), 0, None)
    (entry,) = await read_entries(path)

    assert (entry.status, entry.sends) == ("not_sent", 0)


async def test_a_send_whose_batch_was_cancelled_is_unknown(path: Path) -> None:
    """With ``at_most_once`` another batch on the same journal does not send it again."""
    async with wxcv.Journal(path) as journal:
        record = await find(start_run(journal, at_most_once=True), make_image())
        await record.begin()
        assert (await find(start_run(journal), make_image())).known is None  # it may be answered yet
        record.end()
        known = (await find(start_run(journal), make_image())).known

    assert known.status == "unknown"
    assert isinstance(known.error, wxcv.AnswerLostError)


async def test_without_at_most_once_nothing_is_written_before_a_send(path: Path) -> None:
    """``begin`` says only whether the journal can be written."""
    async with wxcv.Journal(path) as journal:
        record = await find(start_run(journal), make_image())
        await record.begin()
        await record.withdraw()
        assert await read_entries(path) == []
    with pytest.raises(wxcv.JournalError, match="the journal is closed; make another Journal"):
        await record.begin()
    with pytest.raises(wxcv.JournalError, match="the journal is closed"):
        await record.save_call("ok", ANSWER, None, 1, "wechat")


# --- answers


async def test_answers_need_not_be_kept(path: Path) -> None:
    """With ``answers=False`` no text is in the file, and the outcome of a known image has no answer."""
    scan = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "MARKED-TEXT", None),), wxcv.ImgSize(1, 2))
    async with wxcv.Journal(path, answers=False) as journal:
        await process(start_run(journal), PNG, scan)
        known = (await find(start_run(journal), make_image())).known

    assert (known.status, known.answer, known.error) == ("ok", None, None)
    assert b"MARKED" not in path.read_bytes()


@pytest.mark.parametrize("text", ["\ud83d", "😀", "中", "\0\n"])
async def test_every_text_comes_back(path: Path, text: str) -> None:
    """Also half of a surrogate pair, as WeChat may send, and characters of any plane."""
    scan = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", text, None),), wxcv.ImgSize(1, 2))
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), PNG, scan)
        assert (await find(start_run(journal), make_image())).known.answer == scan


async def test_an_answer_that_cannot_be_kept_or_read_is_none(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The image is not sent again because of it; the log tells of it without its text."""
    caplog.set_level(logging.WARNING, "wxcv")
    odd = wxcv.Endpoint("odd", "/cv/odd", lambda value: value["missing"])
    async with wxcv.Journal(path) as journal:
        for endpoint, answer in ((wxcv.SCAN_QRCODE, object()), (odd, {"text": "MARKED"})):
            await process(start_run(journal, endpoint), PNG, answer)
            known = (await find(start_run(journal, endpoint), make_image())).known
            assert (known.status, known.answer) == ("ok", None)

    assert [record.getMessage() for record in caplog.records] == [
        "an answer was not kept in the journal: AttributeError",
        "an answer of odd in the journal cannot be read: KeyError",
    ]
