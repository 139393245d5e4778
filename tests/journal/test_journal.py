"""What a journal keeps, and what of it counts in the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.journals import ANSWER, make_file, make_image, process, read_entries, start_run

import wxcv

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_was_answered_is_known_by_its_content(path: Path, tmp_path: Path) -> None:
    """After the journal was opened again, an image with the same bytes has its answer, and none other has."""
    image = make_file(tmp_path)
    async with wxcv.Journal(path) as journal:
        assert (await process(start_run(journal), image)).is_saved
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        record = await run.look_up(b"...")
        known = await record.find(make_image())
        other = await (await run.look_up(b"...")).find(make_image(b"other"))

    assert known is record.known is not None
    assert (known.status, known.answer, known.error) == ("ok", ANSWER, None)
    assert other is None


async def test_a_url_is_known_by_its_name(path: Path) -> None:
    """A URL that was answered is known before it is checked, whether given as str or as ImageUrl."""
    url = "https://example.com/a.png?x=1"
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), wxcv.ImageUrl(url))
        known = (await start_run(journal).look_up(url)).known
        other = (await start_run(journal).look_up(url + "0")).known

    assert known is not None
    assert known.answer == ANSWER
    assert other is None


async def test_a_reader_sees_what_was_recorded(path: Path, tmp_path: Path) -> None:
    """An entry has the path, the digest, the call and the answer as WeChat's JSON, while a run writes."""
    image = make_file(tmp_path)
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal, wxcv.AI_CROP, fields={"ratios": "1"}), image)
        (entry,) = await read_entries(path)

    assert (entry.image, entry.kind, entry.size) == (str(image), "path", 8)
    assert (entry.endpoint, entry.fields, entry.status) == (wxcv.AI_CROP.path, {"ratios": "1"}, "ok")
    assert (entry.sends, entry.source, entry.answer) == (1, "wechat", ANSWER.to_dict())
