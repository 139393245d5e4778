"""How a journal is made, used and closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.journals import make_image, process, read_entries, start_run
from support.programs import run_program

import wxcv

if TYPE_CHECKING:
    from pathlib import Path


def threads() -> list[str]:
    """Return the names of the threads of journals."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("wxcv journal")]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"path": 5}, "path must be a str or a pathlib.Path, not int"),
        ({"path": b"x"}, "path must be a str or a pathlib.Path, not bytes"),
        ({"path": ""}, "path must be that of a file"),
        ({"path": ":memory:"}, "path must be that of a file"),
        ({"path": "a\0b"}, "path must be that of a file"),
        ({"answers": 1}, "answers must be True or False"),
        ({"checksum": "no"}, "checksum must be True or False"),
        ({"max_age": 0}, "max_age must be a number of seconds above 0"),
        ({"retry": "failed"}, 'retry must be a list or a set of "failed" or "unknown"'),
        ({"retry": ["ok"]}, 'retry must be a list or a set of "failed" or "unknown"'),
        ({"retry": [[]]}, 'retry must be a list or a set of "failed" or "unknown"'),
        ({"retry": None}, 'retry must be a list or a set of "failed" or "unknown"'),
        ({"clock": 5}, "clock must be a Clock"),
    ],
)
def test_a_journal_checks_its_settings(settings: dict[str, Any], told: str) -> None:
    """The message names the argument."""
    with pytest.raises((TypeError, ValueError), match=told):
        wxcv.Journal(**({"path": "run.sqlite"} | settings))


def test_a_journal_shows_its_path(path: Path) -> None:
    """``path`` is the one that was given, and nothing was made yet."""
    journal = wxcv.Journal(path)

    assert journal.path == str(path)
    assert repr(journal) == f"<Journal {path}>"
    assert not path.exists()


def test_a_run_needs_an_account(path: Path) -> None:
    """Without an account, answers of different accounts would be mixed."""
    with pytest.raises(ValueError, match=r"a journal needs credential\.account"):
        start_run(wxcv.Journal(path), account="")


async def test_a_journal_opens_with_its_first_use(path: Path) -> None:
    """Without ``async with`` it is opened when it is used, by many at once; it may be closed twice."""
    journal = wxcv.Journal(path)
    run = start_run(journal)
    await asyncio.gather(*(process(run, make_image(b"%d" % number).data) for number in range(20)))
    await journal.aclose()
    await journal.aclose()

    assert len(await read_entries(path)) == 20
    assert threads() == []


async def test_closing_finishes_what_is_queued(path: Path) -> None:
    """Results whose saving was begun, and cancelled, are in the file."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        records = [await run.look_up(f"https://example.com/{number}") for number in range(100)]
        saves = [asyncio.ensure_future(record.save_call("ok", None, None, 1, "wechat")) for record in records]
        await asyncio.sleep(0)
        for save in saves:
            save.cancel()

    assert len(await read_entries(path)) == 100


async def test_a_journal_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    """``async with`` ends its threads before it raises."""
    with pytest.raises(wxcv.JournalError):
        async with wxcv.Journal(tmp_path):
            pass

    assert threads() == []


async def test_a_journal_that_is_forgotten_closes_its_file(path: Path) -> None:
    """Its threads end and its lock is released when nothing refers to it or to its runs."""
    run = start_run(wxcv.Journal(path))
    await process(run, b"x")
    gc.collect()
    assert len(threads()) == 2
    del run
    gc.collect()
    while threads():
        await asyncio.sleep(0.01)

    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_journal_that_was_never_closed_lets_the_process_end(path: Path) -> None:
    """The process ends, and what was saved is there."""
    program = """
import asyncio, sys
import wxcv
async def main():
    global journal
    journal = wxcv.Journal(sys.argv[1])
    settings = dict(account="wx1", fields={}, fit=False, local_files=True, at_most_once=False, concurrency=1)
    record = await journal.start_run(wxcv.SCAN_QRCODE, **settings).look_up("https://example.com/a.png")
    await record.save_call("ok", None, None, 1, "wechat")
asyncio.run(main())
"""
    done = run_program(program, str(path))
    with wxcv.JournalReader(path) as reader:
        found = [entry.image for entry in reader.entries()]

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert found == ["https://example.com/a.png"]


def test_a_journal_serves_several_event_loops(path: Path) -> None:
    """One after another, as in a program that calls ``asyncio.run`` for each batch."""
    journal = wxcv.Journal(path)
    for number in range(3):
        asyncio.run(process_one(journal, number))
    asyncio.run(journal.aclose())

    with wxcv.JournalReader(path) as reader:
        assert len(list(reader.entries())) == 3


async def process_one(journal: wxcv.Journal, number: int) -> None:
    """Do one image."""
    await process(start_run(journal), make_image(b"%d" % number).data)
