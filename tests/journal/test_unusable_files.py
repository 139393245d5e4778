"""Files that cannot be a journal: they are refused with the cause and the remedy, and left as they are."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from support.journals import make_image, process, read_entries, start_run
from support.programs import run_unmeasured

import wxcv
from wxcv.journal.files import JournalFile
from wxcv.stores.sqlite_files import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


async def refuse(path: Path) -> str:
    """Open a journal that cannot be opened, for writing and for reading; return the message."""
    before = read_folder(path.parent)
    with pytest.raises(wxcv.JournalError) as caught:
        await wxcv.Journal(path).__aenter__()
    assert read_folder(path.parent) == before
    with pytest.raises(wxcv.JournalError):
        await read_entries(path)
    assert read_folder(path.parent) == before
    return str(caught.value)


def make_database(path: Path) -> None:
    """Make an SQLite file of another program, of which all is in the log beside it, as after a crash."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in ("CREATE TABLE t(x)", "INSERT INTO t VALUES (1)"):
            connection.execute(statement)
        for name in (path, path.with_name(f"{path.name}-wal")):
            shutil.copy(name, f"{name}.copy")
    for name in (path, path.with_name(f"{path.name}-wal")):
        shutil.move(f"{name}.copy", name)


def make_foreign(path: Path) -> None:
    """Make an SQLite file of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t(x)")


async def make_journal(path: Path, images: int) -> None:
    """Make a journal of so many images."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        for number in range(images):
            await process(run, make_image(b"%d" % number).data)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda path: path.write_text("a list of images\n" * 100, "utf-8"),
            "is not an SQLite database; give",
        ),
        (lambda path: path.write_bytes(b"x"), "has no journal in it; give another path"),
        (lambda path: path.mkdir(), "is a directory or a device; give the path of a file"),
        (os.mkfifo, "is a directory or a device; give the path of a file"),
        (make_foreign, "is an SQLite database of another program; give another path"),
        (make_database, "has no journal in it; give another path"),
        (lambda path: path.symlink_to(path), "is a link that leads to itself"),
    ],
    ids=["text", "byte", "directory", "fifo", "foreign", "log", "loop"],
)
async def test_a_file_of_others_is_left_as_it_is(path: Path, make: Any, told: str) -> None:
    """What is no journal, and what SQLite has beside it, is not changed by a byte."""
    make(path)

    assert told in await refuse(path)


async def test_a_store_is_no_journal_and_a_journal_no_store(path: Path, tmp_path: Path) -> None:
    """The two kinds of files are told apart."""
    async with wxcv.SQLiteStore(tmp_path / "store.db") as store:
        await store.invalidate("k", "t")
    await make_journal(path, 1)

    assert "is an SQLite database of another program" in await refuse(tmp_path / "store.db")
    with pytest.raises(wxcv.StoreError, match="is an SQLite database of another program"):
        await wxcv.SQLiteStore(path).invalidate("k", "t")


async def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    """Its tables may be different."""
    await make_journal(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=2")

    assert "was made by another version of wxcv; give another path" in await refuse(path)


async def test_an_empty_file_is_a_new_journal(path: Path) -> None:
    """As mktemp makes them; only its owner can read it afterwards."""
    path.touch(0o644)
    await make_journal(path, 1)

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(await read_entries(path)) == 1


async def test_every_file_is_for_its_owner_only(path: Path) -> None:
    """While the journal is open, none of its files can be read by others, whatever the umask says."""
    before = os.umask(0)
    try:
        async with wxcv.Journal(path) as journal:
            await process(start_run(journal), b"x")
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(
        ("run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "run.sqlite.lock"), 0o600
    )


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The message has the remedy, for a journal and for a reader."""
    with pytest.raises(
        wxcv.JournalError, match="cannot be created, as its directory does not exist; create it"
    ):
        await wxcv.Journal(tmp_path / "none" / "run.sqlite").__aenter__()
    with pytest.raises(wxcv.JournalError, match="does not exist; check the path"):
        await read_entries(tmp_path / "none" / "run.sqlite")


async def test_the_log_of_a_lost_journal_is_not_deleted(path: Path) -> None:
    """Outcomes may be in it that were given: a journal whose main file is gone is no new one."""
    await make_journal(path, 1)
    path.unlink()
    path.with_name("run.sqlite-wal").write_bytes(b"outcomes")

    assert "is missing or empty, but run.sqlite-wal is not; put" in await refuse(path)


async def test_a_network_file_system_is_refused(path: Path, tmp_path: Path) -> None:
    """SQLite's locks do not hold there; the message has its type and the remedy, and no file is made."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"nas:/x {tmp_path} nfs4 rw 0 0\n", "utf-8")
    file = JournalFile(str(path), str(mounts))

    def connect() -> str:
        try:
            file.connect(0.0)
        except UnusableFileError as error:
            return file.explain(error)
        return ""

    told = await asyncio.to_thread(connect)

    assert (
        "run.sqlite is on a network file system (nfs4), where SQLite's locks do not hold; give a path" in told
    )
    assert [one.name for one in tmp_path.iterdir()] == ["mounts"]


# --- the lock's file


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda path: path.write_text("mine\n", "utf-8"),
            "has a run.sqlite.lock beside it that is not a lock of",
        ),
        (lambda path: path.mkdir(), "cannot be locked with run.sqlite.lock (Is a directory)"),
        (
            lambda path: path.symlink_to("/dev/null"),
            "cannot be locked with run.sqlite.lock (Too many levels of",
        ),
        (os.mkfifo, "has a run.sqlite.lock beside it that is not a file; remove it"),
    ],
    ids=["text", "directory", "link", "fifo"],
)
async def test_a_lock_file_of_others_is_left_as_it_is(path: Path, make: Any, told: str) -> None:
    """A file that has the name of the lock and is none is refused."""
    make(path.with_name("run.sqlite.lock"))

    assert told in await refuse(path)


async def test_what_a_killed_run_left_as_its_lock_is_used(path: Path) -> None:
    """The file may name a process that is long gone: only the system's lock counts."""
    path.with_name("run.sqlite.lock").write_text("wxcv journal lock\npid 1\nhost h\n", "utf-8")
    await make_journal(path, 1)

    assert [file.name for file in path.parent.iterdir()] == ["run.sqlite"]


@pytest.mark.parametrize("name", ["run.sqlite", "run.sqlite-wal", "run.sqlite.lock"])
@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_journal_whose_files_are_deleted_stops(path: Path, name: str, is_replaced: bool) -> None:
    """Nothing more is sent, as another run could begin, or nobody would find the outcomes; it says which."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal)
        await process(run, b"1")
        path.with_name(name).unlink()
        if is_replaced:
            path.with_name(name).touch()
        told = "its .lock file was deleted" if name.endswith("lock") else "was deleted or replaced while"
        with pytest.raises(wxcv.JournalError, match=told):
            await process(run, b"2")
        state = "every outcome that .* is" if name.endswith("lock") else "outcomes that .* may be lost$"
        with pytest.raises(wxcv.JournalError, match=f"{told}.*; {state}"):
            await (await run.look_up(b"")).begin()


# --- damage


def cut_lengths(size: int) -> Iterator[int]:
    """Return lengths from all parts of a file."""
    lengths = random.Random(13)  # noqa: S311 - not for security
    yield from (1, 99, 100, 512, 4095, 4096, 4097, size - 1)
    yield from (lengths.randrange(1, size) for _ in range(40))


async def test_a_journal_that_was_cut_is_refused_and_kept(path: Path, tmp_path: Path) -> None:
    """Cut anywhere, it is named as damaged, with the remedy, and is not changed by a byte."""
    await make_journal(path, 100)
    whole, folder = path.read_bytes(), tmp_path / "cut"
    folder.mkdir()
    for length in cut_lengths(len(whole)):
        cut = folder / "run.sqlite"
        cut.write_bytes(whole[:length])
        with pytest.raises(
            wxcv.JournalError, match=r"is damaged; move|is not an SQLite|has no journal in it"
        ):
            await wxcv.Journal(cut).__aenter__()
        assert read_folder(folder) == {"run.sqlite": whole[:length]}


async def test_a_reader_never_reads_a_journal_that_was_cut_in_silence(path: Path, tmp_path: Path) -> None:
    """What is left may be read, with a warning; else it is refused."""
    await make_journal(path, 100)
    whole, cut = path.read_bytes(), tmp_path / "cut.sqlite"

    def read(length: int) -> str:
        cut.write_bytes(whole[:length])
        try:
            with wxcv.JournalReader(cut) as reader:
                list(reader.entries())
                return reader.warning or ""
        except wxcv.JournalError as error:
            return str(error)

    for length in cut_lengths(len(whole)):
        told = await asyncio.to_thread(read, length)
        assert re.search(r"is damaged|is not an SQLite|has no journal in it", told)
    assert not await asyncio.to_thread(read, len(whole))


async def test_a_log_that_was_cut_loses_its_end_only(path: Path, tmp_path: Path) -> None:
    """Killed while the log was written, the journal has what is in the log's whole part, and goes on."""
    folder = tmp_path / "cut"
    folder.mkdir()
    async with wxcv.Journal(path) as journal:
        for number in range(50):
            await process(start_run(journal), make_image(b"%d" % number).data)
        main, log = path.read_bytes(), path.with_name("run.sqlite-wal").read_bytes()
    found = []
    for length in (*sorted(cut_lengths(len(log)))[::4], len(log)):
        cut = folder / "run.sqlite"
        cut.write_bytes(main)
        (folder / "run.sqlite-wal").write_bytes(log[:length])
        found.append(len(await read_entries(cut)))
        assert (folder / "run.sqlite-wal").read_bytes() == log[:length]
        await make_journal(cut, 50)
        assert len(await read_entries(cut)) == 50

    assert found == sorted(found)
    assert found[-1] == 50


# --- permissions


AS_ANOTHER_USER = """
import asyncio, os, sys
from pathlib import Path
import wxcv, wxcv.sandbox, sqlite3, attrs
wxcv.Journal, wxcv.JournalReader, wxcv.JournalError, wxcv.AnswerLostError
from wxcv.journal import core, reader
import encodings.idna, concurrent.futures.thread
folder = Path(sys.argv[1])
os.chdir(folder)
if os.getuid() == 0:
    for name in (folder, *folder.iterdir()):
        os.chown(name, 65534, 65534)
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.chmod(".", 0o500)
if sys.argv[2] == "file":
    os.chmod(".", 0o700)
    os.chmod("run.sqlite", 0o400)
async def main():
    try:
        await wxcv.Journal("run.sqlite").__aenter__()
    except wxcv.JournalError as error:
        print(error)
asyncio.run(main())
with wxcv.JournalReader("run.sqlite") as found:
    print(len(list(found.entries())), found.warning)
os.chmod(".", 0o700)
"""


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Where there is no journal yet, in a folder to which any user gets."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "run.sqlite"


@pytest.mark.parametrize("what", ["folder", "file"])
async def test_what_may_not_be_written_is_told(open_path: Path, what: str) -> None:
    """A journal that is read-only, or in a folder that is, cannot be used for a run, and can be read."""
    await make_journal(open_path, 3)
    done = await asyncio.to_thread(run_unmeasured, AS_ANOTHER_USER, str(open_path.parent), what)

    assert done.stderr == ""
    refused, read = done.stdout.splitlines()
    assert (
        "run.sqlite cannot be opened; let this user" in refused or "run.sqlite is read-only; let" in refused
    )
    assert read == "3 None"


async def test_a_copy_without_its_log_applied_says_so(open_path: Path) -> None:
    """In a read-only folder the newest entries, which are in the log, are missing; a warning says so."""
    async with wxcv.Journal(open_path) as journal:
        await process(start_run(journal), b"1")
        copies = {name: open_path.with_name(name).read_bytes() for name in ("run.sqlite", "run.sqlite-wal")}
    for name, content in copies.items():
        open_path.with_name(name).write_bytes(content)
    done = await asyncio.to_thread(run_unmeasured, AS_ANOTHER_USER, str(open_path.parent), "folder")

    assert done.stdout.splitlines()[-1] == (
        "0 the newest entries are in run.sqlite-wal, which cannot be read in a read-only folder; "
        "copy both files to another one"
    )
