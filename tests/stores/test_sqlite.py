"""What is particular to SQLiteStore: its file, its thread, and what may be wrong with them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.programs import run_program

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = wxcv.StoredToken("MARKED-T1", 1, 1_700_000_000.0, 100.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no file yet."""
    return tmp_path / "store.db"


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of all files."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def refusal(store: wxcv.SQLiteStore) -> str:
    """Return the message with which the store refuses to work."""
    with pytest.raises(wxcv.StoreError) as caught:
        await store.save("k", TOKEN)
    await store.aclose()
    assert "MARKED" not in f"{caught.value!r} {caught.value.__context__!r}"
    return str(caught.value)


# --- the file


async def test_a_store_is_a_file_for_its_owner_alone(path: Path) -> None:
    """All files of an open store have mode 0600, under any umask; after ``aclose`` only the store is left."""
    before = os.umask(0)
    try:
        async with wxcv.SQLiteStore(path) as store:
            await store.save("k", TOKEN)
            assert modes(path.parent) == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    finally:
        os.umask(before)

    assert modes(path.parent) == {"store.db": 0o600}


async def test_an_older_file_is_closed_to_other_users(path: Path) -> None:
    """An existing store that others could read is made private when it is opened."""
    async with wxcv.SQLiteStore(path) as store:
        await store.save("k", TOKEN)
    path.chmod(0o666)
    async with wxcv.SQLiteStore(path) as store:
        assert await store.load("k") is not None

        assert set(modes(path.parent).values()) == {0o600}


async def test_a_store_opens_nothing_before_its_first_use(path: Path) -> None:
    """Making and closing a store touches no disk, and a closed store opens again."""
    store = wxcv.SQLiteStore(path)
    await store.aclose()
    assert not path.exists()

    for number in (1, 2):
        assert (await store.take("k", 9)).number == number
        await store.aclose()
        await store.aclose()


async def test_a_store_that_was_deleted_is_made_anew(path: Path) -> None:
    """If somebody deletes the file under open stores, they go on together with a new one, which is sound."""
    async with wxcv.SQLiteStore(path) as store, wxcv.SQLiteStore(path) as other:
        for _ in range(50):
            await store.take("k", 99)
            await other.take("k", 99)
        path.unlink()
        numbers = [(await one.take("k", 99)).number for one in (store, other, store, other)]
    with closing(sqlite3.connect(path)) as connection:
        ((health,),) = connection.execute("PRAGMA integrity_check").fetchall()

    assert (numbers, health) == ([1, 2, 3, 4], "ok")
    assert list(modes(path.parent)) == ["store.db"]


HOLD_OPEN = """
import asyncio, sys, wxcv
async def main():
    async with wxcv.SQLiteStore(sys.argv[1]) as store:
        for number in range(50):
            await store.keep_answer(f"a{number}", "x" * 9000, 60)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print((await store.take("k", 9)).number)
asyncio.run(main())
"""


async def test_a_store_that_was_deleted_is_not_mixed_with_what_another_process_holds(path: Path) -> None:
    """While another process holds a deleted store open, a new one begins; later both use the new one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD_OPEN, str(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    path.unlink()
    async with wxcv.SQLiteStore(path) as store:
        assert (await store.take("k", 9)).number == 1
        assert (await process.communicate(b"\n"))[0] == b"2\n"
        assert (await store.take("k", 9)).number == 3


async def test_a_new_process_finds_what_was_kept(path: Path) -> None:
    """What was kept is there after the file was closed and opened."""
    async with wxcv.SQLiteStore(str(path)) as store:
        await store.save_refresh_token("k", "R")
    async with wxcv.SQLiteStore(path) as store:
        assert await store.load_refresh_token("k") == "R"


def make_foreign(path: Path, *statements: str) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def make_text(path: Path) -> None:
    """Write a text."""
    path.write_text("not a database, but long enough to be one" * 100, "utf-8")


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (make_text, "is not an SQLite database; give another path"),
    "tables": (
        lambda path: make_foreign(path, "CREATE TABLE t (a)"),
        "is an SQLite database of another program; give another path",
    ),
    "user version": (lambda path: make_foreign(path, "PRAGMA user_version=7"), "of another program"),
    "application": (lambda path: make_foreign(path, "PRAGMA application_id=7"), "of another program"),
    "another wxcv": (
        lambda path: make_foreign(path, "PRAGMA application_id=2004378486", "PRAGMA user_version=2"),
        "was made by another version of wxcv; give another path",
    ),
    "directory": (Path.mkdir, "is a directory or a device; give the path of a file"),
    "pipe": (os.mkfifo, "is a directory or a device"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
async def test_what_is_not_a_store_is_refused_and_left_alone(path: Path, kind: str) -> None:
    """What is not a store is a StoreError that names the path and the remedy; not a byte is changed."""
    make, message = UNUSABLE[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    said = await refusal(wxcv.SQLiteStore(path))

    assert message in said
    assert "store.db" in said
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


async def test_a_damaged_store_is_refused_and_left_alone(path: Path) -> None:
    """Using a store whose pages were overwritten raises a StoreError that says what moving it away costs."""
    async with wxcv.SQLiteStore(path) as store:
        await store.save("k", TOKEN)
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)

    assert "move it away, and tokens are fetched again and daily limits start again at 0" in await refusal(
        wxcv.SQLiteStore(path)
    )
    assert path.read_bytes() == damaged


async def test_a_missing_directory_is_told(path: Path) -> None:
    """A store in a directory that does not exist says so, and works when the directory is made."""
    store = wxcv.SQLiteStore(path / "x.db")
    assert "its directory does not exist; create it" in await refusal(store)

    path.mkdir()
    assert (await store.take("k", 1)).number == 1
    await store.aclose()


TAKE_AS_NOBODY = """
import asyncio, os, sys, wxcv
async def main(path):
    async with wxcv.SQLiteStore(path) as store:
        try:
            await store.take("k", 9)
        except wxcv.StoreError as error:
            print(error)
asyncio.run(main(sys.argv[1]))  # which imports everything but
wxcv.StoreError  # noqa: B018 - imported on first use, from where nobody else may look
is_root = os.geteuid() == 0
if is_root:
    os.seteuid(65_534)
asyncio.run(main(sys.argv[2]))
if is_root:
    os.seteuid(0)  # so that coverage can be written
"""


@pytest.mark.parametrize("kind", ["file", "directory", "unreadable"])
async def test_a_store_that_may_not_be_written_is_told(path: Path, kind: str) -> None:
    """A read-only file or directory, and a file of another user, are a StoreError that says what to allow."""
    with tempfile.TemporaryDirectory() as folder:  # others may not even look into tmp_path
        name = Path(folder, "x.db")
        if kind != "directory":
            async with wxcv.SQLiteStore(name) as store:
                await store.take("k", 9)
            name.chmod(0o444 if kind == "file" else 0)
        Path(folder).chmod(0o777 if kind == "file" else 0o555)
        done = await asyncio.to_thread(run_program, TAKE_AS_NOBODY, str(path), str(name))
        Path(folder).chmod(0o700)

    assert done.stderr == ""
    assert "x.db" in done.stdout
    assert "let this user" in done.stdout


FILL_THE_DISK = """
import asyncio, resource, sys, wxcv
async def main():
    async with wxcv.SQLiteStore(sys.argv[1]) as store:
        await store.take("k", 100_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        taken = 1
        while True:
            try:
                await store.keep_answer(f"a{taken}", "x" * 5000, 60)
                await store.take("k", 100_000)
            except wxcv.StoreError as error:
                print(error)
                break
            taken += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        usage = await store.load_usage("k")
        print(taken <= usage.count <= taken + 1, (await store.take("k", 100_000)).number == usage.count + 1)
asyncio.run(main())
"""


async def test_a_full_disk_is_told_and_survived(path: Path) -> None:
    """When the file cannot grow, that is a StoreError; nothing counted is lost, and with room it goes on."""
    done = await asyncio.to_thread(run_program, FILL_THE_DISK, str(path))
    message, outcome = done.stdout.splitlines()

    assert done.stderr == ""
    assert "check the disk and its free space" in message or "the disk is full" in message
    assert "store.db" in message
    assert outcome == "True True"


# --- locks, threads and processes


TAKE_FROM_MANY = """
import asyncio, sys, wxcv
async def main():
    for number in range(60):
        async with wxcv.SQLiteStore(f"{sys.argv[1]}-{number}") as store:
            assert (await store.take("k", 9)).number is not None
asyncio.run(main())
"""


async def test_processes_may_make_the_file_at_the_same_time(path: Path) -> None:
    """Four processes that make sixty files in the same order never meet one that is half made."""
    runs = (asyncio.to_thread(run_program, TAKE_FROM_MANY, str(path)) for _ in range(4))
    done = await asyncio.gather(*runs)

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 4
