"""Files that SQLite is writing, or was writing when its process was killed: nothing in them is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.journals import make_image, process, read_entries, start_run
from support.programs import run_unmeasured

import wxcv
from wxcv.journal.files import KIND
from wxcv.stores import sqlite_files

PAGE = 4096
LOG_HEADER, FRAME_HEADER = 32, 24


def read_files(path: Path) -> dict[str, bytes]:
    """Return the bytes of a database and of what SQLite has beside it."""
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file()}


def begin_checkpoint(database: bytes, log: bytes) -> bytes:
    """Return the database with the header that a checkpoint writes first: that of a longer file."""
    step = FRAME_HEADER + PAGE
    frames = [log[start : start + step] for start in range(LOG_HEADER, len(log), step)]
    headers = [frame[FRAME_HEADER:] for frame in frames if struct.unpack_from(">I", frame) == (1,)]
    return headers[-1] + database[PAGE:]


async def kill_in_checkpoint(path: Path, images: int) -> None:
    """Make a journal of so many images, as a process leaves it that is killed while it closes the file."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        for number in range(images):
            await process(run, make_image(b"%d" % number).data)
        files = {name: content for name, content in read_files(path).items() if name.endswith(("e", "-wal"))}
    files[path.name] = begin_checkpoint(files["run.sqlite"], files["run.sqlite-wal"])
    for name, content in files.items():
        path.with_name(name).write_bytes(content)


async def test_a_run_goes_on_after_a_kill_in_a_checkpoint(path: Path) -> None:
    """The file is shorter than its header says, as the log has the rest: that is no damage."""
    await kill_in_checkpoint(path, 50)
    async with wxcv.Journal(path) as journal:
        known = [(await process(start_run(journal), make_image(b"%d" % one).data)).known for one in range(50)]

    assert None not in known
    assert len(await read_entries(path)) == 50


async def test_a_reader_has_all_entries_during_a_checkpoint(path: Path) -> None:
    """It reads the log too, gives no warning, and changes neither file."""
    await kill_in_checkpoint(path, 50)
    before = path.read_bytes(), path.with_name("run.sqlite-wal").read_bytes()

    assert len(await read_entries(path)) == 50
    assert (path.read_bytes(), path.with_name("run.sqlite-wal").read_bytes()) == before


async def test_a_database_of_others_is_left_alone_during_a_checkpoint(path: Path) -> None:
    """It is not called damaged, and neither the file nor its log is changed by a byte."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t(x)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("INSERT INTO t VALUES (zeroblob(99999))")
        files = read_files(path)
    del files["run.sqlite-shm"]
    files["run.sqlite"] = begin_checkpoint(files["run.sqlite"], files["run.sqlite-wal"])
    for name, content in files.items():
        path.with_name(name).write_bytes(content)

    for read in (wxcv.Journal(path).__aenter__, lambda: read_entries(path)):
        with pytest.raises(wxcv.JournalError, match="is an SQLite database of another program"):
            await read()
        assert read_files(path) == files


AS_ANOTHER_USER = """
import os, sys, urllib.parse, urllib.request  # which pathlib imports late
import wxcv
wxcv.JournalReader, wxcv.JournalError
os.chdir(sys.argv[1])
if os.getuid() == 0:
    for name in (".", *os.listdir()):
        os.chown(name, 65534, 65534)
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
os.chmod(".", 0o500)
try:
    with wxcv.JournalReader("run.sqlite") as reader:
        print(reader.warning)
except wxcv.JournalError as error:
    print(error)
finally:
    os.chmod(".", 0o700)
"""


async def test_a_copy_that_is_not_whole_without_its_log_is_not_called_damaged() -> None:
    """In a read-only folder the log cannot be read; the message says what to do."""
    with TemporaryDirectory() as folder:
        await kill_in_checkpoint(Path(folder) / "run.sqlite", 50)
        done = await asyncio.to_thread(run_unmeasured, AS_ANOTHER_USER, folder)

    assert done.stderr == ""
    assert done.stdout == (
        "the journal run.sqlite cannot be read without run.sqlite-wal, for which the folder must be writable"
        "; copy both files to another one\n"
    )


def kill_in_creation(path: Path) -> None:
    """Make what a process leaves that is killed while it writes the tables of a new journal."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        sqlite_files.create_tables(connection, KIND)
        connection.execute("COMMIT")
    path.write_bytes(path.read_bytes()[:PAGE])
    magic, original_pages, sector = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 0, 512
    header = struct.pack(">8sIIIII", magic, 0, 1, original_pages, sector, PAGE)
    path.with_name("run.sqlite-journal").write_bytes(header.ljust(sector, b"\0"))


async def test_a_journal_whose_creation_was_killed_is_a_new_one(path: Path) -> None:
    """SQLite's rollback journal says how to undo what was written."""
    await asyncio.to_thread(kill_in_creation, path)
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), b"x")

    assert len(await read_entries(path)) == 1
    assert list(read_files(path)) == ["run.sqlite"]


async def test_a_reader_of_a_journal_whose_creation_was_killed_says_so(path: Path) -> None:
    """There is nothing in it, and it is not called damaged."""
    await asyncio.to_thread(kill_in_creation, path)

    with pytest.raises(wxcv.JournalError, match="has no journal in it"):
        await read_entries(path)


async def test_a_reader_polls_a_run_without_false_alarms(path: Path) -> None:
    """While a run writes, no reader calls its journal damaged, whatever the run is doing."""
    numbers = iter(range(1500))
    warnings: list[str | None] = []

    async def record_all(run: Any) -> None:
        for number in numbers:
            await process(run, make_image(b"%d" % number).data)

    def poll(is_over: threading.Event) -> None:
        while not is_over.is_set():
            with wxcv.JournalReader(path) as reader:
                warnings.append(reader.warning)

    over = threading.Event()
    async with wxcv.Journal(path) as journal:
        polling = asyncio.create_task(asyncio.to_thread(poll, over))
        run = start_run(journal)
        try:
            await asyncio.gather(*(record_all(run) for _ in range(8)))
        finally:
            over.set()
            await polling

    assert set(warnings) == {None}
