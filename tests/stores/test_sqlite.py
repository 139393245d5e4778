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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.servers import SECRET
from support.wechat import WeChat

import wxcv
from wxcv.clock import SystemClock, end_of_day
from wxcv.stores import statements
from wxcv.stores.database import Database
from wxcv.stores.database_thread import DatabaseThread
from wxcv.stores.file_systems import find_network_type
from wxcv.tokens.manager import TokenManager

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


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours


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
    """A store whose pages are overwritten is a StoreError that says to move it away."""
    async with wxcv.SQLiteStore(path) as store:
        await store.save("k", TOKEN)
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)

    assert "is damaged; move it away" in await refusal(wxcv.SQLiteStore(path))
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
asyncio.run(main(sys.argv[1]))  # which imports everything
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
        done = await asyncio.to_thread(run, TAKE_AS_NOBODY, str(path), str(name))
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
    done = await asyncio.to_thread(run, FILL_THE_DISK, str(path))
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
    runs = (asyncio.to_thread(run, TAKE_FROM_MANY, str(path)) for _ in range(4))
    done = await asyncio.gather(*runs)

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 4


async def test_a_file_that_another_process_locks_is_told_in_time(path: Path) -> None:
    """While somebody else holds the file, operations end in a StoreError; afterwards they work."""
    async with wxcv.SQLiteStore(path) as store:
        await store.take("k", 9)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                three = (store.take("k", 9) for _ in range(3))
                outcomes = await asyncio.gather(*three, return_exceptions=True)
            other.execute("COMMIT")

        assert {type(outcome) for outcome in outcomes} == {wxcv.StoreError}
        assert {"locked" in str(outcome) for outcome in outcomes} == {True}
        assert (await store.take("k", 9)).number == 2


async def test_a_disk_that_hangs_is_told_in_time(path: Path) -> None:
    """An operation that is stuck ends in a StoreError, and one that waited behind it is not carried out."""
    thread = DatabaseThread(partial(Database, str(path), statements.TABLES, SystemClock()), str(path))
    started, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_connection: object, _now: float) -> None:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    stuck = asyncio.create_task(thread.run(hang))
    await started.wait()
    with pytest.raises(wxcv.StoreError, match="did not answer within 2 s"):
        await thread.run(statements.take, "k", 9, 0, 900)
    with pytest.raises(wxcv.StoreError, match=r"store\.db did not answer within 2 s"):
        await stuck
    release.set()

    assert (await thread.run(statements.take, "k", 9, 0, 900)).number == 1
    await thread.aclose()


class _BrokenClock(wxcv.ManualClock):
    is_broken = True

    def wall(self) -> float:
        if self.is_broken:
            raise KeyError("MARKED")
        return super().wall()


async def test_a_clock_that_fails_is_a_store_error(path: Path) -> None:
    """What the caller's clock raises is a StoreError with the class alone, and locks nobody out."""
    clock = _BrokenClock()
    async with wxcv.SQLiteStore(path, clock=clock) as store, wxcv.SQLiteStore(path) as other:
        with pytest.raises(wxcv.StoreError, match=r"store\.db failed \(KeyError\)$"):
            await store.take("k", 9)
        await other.save_refresh_token("k", "R")
        clock.is_broken = False

        assert await store.load_refresh_token("k") == "R"


def test_several_event_loops_use_one_store(path: Path) -> None:
    """A store works in one event loop after another, whether it was closed in between or not."""
    store = wxcv.SQLiteStore(path)
    numbers = [asyncio.run(store.take("k", 9)).number for _ in range(3)]
    asyncio.run(store.aclose())

    assert numbers == [1, 2, 3]
    assert asyncio.run(store.take("k", 9)).number == 4
    asyncio.run(store.aclose())


NEVER_CLOSED = """
import asyncio, gc, sys, threading, wxcv
store = wxcv.SQLiteStore(sys.argv[1])
async def main():
    await store.take("k", 9)
    forgotten = wxcv.SQLiteStore(sys.argv[1])
    await forgotten.take("k", 9)
asyncio.run(main())
gc.collect()
for thread in threading.enumerate():
    if thread.name == "wxcv store" and threading.active_count() > 2:
        thread.join(0.5)
print(threading.active_count())
"""


async def test_a_store_that_is_never_closed_does_no_harm(path: Path) -> None:
    """It does not keep the process, and prints nothing; the thread of one that was forgotten ends."""
    done = await asyncio.to_thread(run, NEVER_CLOSED, str(path))

    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


FORK = """
import asyncio, os, sys, threading, time, warnings, wxcv
warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
store = wxcv.SQLiteStore(sys.argv[1])
async def take(count):
    for _ in range(count):
        assert (await asyncio.wait_for(store.take("k", 10_000), 20)).number is not None
asyncio.run(take(1))
busy = threading.Thread(target=asyncio.run, args=(take(60),))
busy.start()
children = []
for _ in range(12):
    time.sleep(0.003)
    child = os.fork()
    if not child:
        asyncio.run(take(5))
        sys.exit()
    children.append(child)
busy.join()
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print(asyncio.run(store.load_usage("k")).count)
"""


async def test_a_forked_child_has_a_connection_of_its_own(path: Path) -> None:
    """Children that are forked in the middle of transactions neither hang nor disturb their parent."""
    done = await asyncio.to_thread(run, FORK, str(path))
    with closing(sqlite3.connect(path)) as connection:
        ((health,),) = connection.execute("PRAGMA integrity_check").fetchall()

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{1 + 60 + 12 * 5}\n", "")
    assert health == "ok"


async def test_what_waits_is_written_at_once(path: Path) -> None:
    """A thousand calls that wait for the disk need far fewer transactions than a thousand."""
    async with wxcv.SQLiteStore(path) as store:
        await store.take("k", 1)
        before = _page_writes(path)
        await asyncio.gather(*(store.take("k", 10_000) for _ in range(1000)))

        assert _page_writes(path) - before < 100


def _page_writes(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size // 4096


async def test_without_the_file_tokens_are_treated_as_without_redis(path: Path) -> None:
    """Without its file, the stable kind asks by itself, and the classic kind fails closed."""
    wechat = WeChat()
    store = wxcv.SQLiteStore(path / "missing" / "store.db")
    manager = TokenManager(SystemClock(), store)
    assert await manager.get(wxcv.AppCredential("wx1", SECRET), wechat.send) == "S1"
    with pytest.raises(wxcv.StoreError):
        await manager.get(wxcv.AppCredential("wx1", SECRET, stable=False), wechat.send)
    await store.aclose()

    assert wechat.tokens_issued == 1


# --- time


@pytest.mark.parametrize("hour", [0, 5, 23])
async def test_a_day_ends_to_the_second(path: Path, hour: int) -> None:
    """One second before its hour in UTC+8 the old day's limit counts, and at the hour the new one's."""
    midnight = 1_700_064_000.0  # of UTC+8
    clock = wxcv.ManualClock(wall=midnight + hour * 3600 - 1)
    async with wxcv.SQLiteStore(path, clock=clock) as store:
        taken = await store.take("k", 1, reset_hour=hour)
        assert (await store.take("k", 1, reset_hour=hour)).number is None
        clock.advance(1)
        again = await store.take("k", 1, reset_hour=hour)

    assert taken.resets_at == midnight + hour * 3600 == end_of_day(taken.resets_at - 1, hour)
    assert (again.number, again.resets_at) == (1, taken.resets_at + 86_400)


async def test_a_clock_that_was_set_back_gives_no_token_a_longer_life(path: Path) -> None:
    """If the clock is set back before a token was stored, the token and the lease count as ended."""
    clock = wxcv.ManualClock()
    async with wxcv.SQLiteStore(path, clock=clock) as store:
        await store.save("k", TOKEN)
        await store.acquire("k", "a")
        clock.advance(-7200)
        loaded = await store.load("k")

        assert loaded is not None
        assert (loaded.left, loaded.generation) == (0.0, 1)
        assert await store.acquire("k", "b")


# --- network file systems


MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
C:\134 /mnt/c 9p rw 0 0
tmpfs /mnt/c/tmp tmpfs rw 0 0
server:/x /twice nfs rw 0 0
/dev/vdc /twice ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "network_type"),
    [
        ("/var/lib/store.db", None),
        ("/home/me/store.db", "nfs4"),
        ("/home/local/store.db", None),
        ("/homes/store.db", None),
        ("/mnt/my share/store.db", "cifs"),
        ("/mnt/ssh/a/b/store.db", "fuse.sshfs"),
        ("/mnt/c/store.db", "9p"),
        ("/mnt/c/tmp/store.db", None),
        ("/twice/store.db", None),
    ],
)
def test_a_network_file_system_is_found_in_the_mounts(path: str, network_type: str | None) -> None:
    """The innermost and latest mount above a path decides whether it lies on another machine."""
    assert find_network_type(path, MOUNTS) == network_type


async def test_a_network_file_system_is_refused(path: Path, tmp_path: Path) -> None:
    """A store on one is a StoreError with reason and remedy, and no file is made; a link does not hide it."""
    mounts, link = tmp_path / "mounts", tmp_path / "link"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nnas:/x {tmp_path} nfs rw 0 0\n", "utf-8")
    link.symlink_to(path)
    for name in (path, link):
        database = Database(str(name), statements.TABLES, SystemClock(), str(mounts))
        with pytest.raises(
            wxcv.StoreError, match=r"store\.db is on a network file system \(nfs\).* RedisStore"
        ):
            await asyncio.to_thread(database.transact, [])

    assert not path.exists()


async def test_without_a_table_of_mounts_nothing_is_refused(path: Path) -> None:
    """On systems without the table the file is used."""
    database = Database(str(path), statements.TABLES, SystemClock(), str(path / "none"))
    await asyncio.to_thread(database.transact, [])
    await asyncio.to_thread(database.close)

    assert path.exists()


# --- settings


@pytest.mark.parametrize("wrong", ["", ":memory:", "a\0b", b"store.db", None, 5])
def test_a_path_must_be_that_of_a_file(wrong: Any) -> None:
    """What cannot be the path of a file that processes share is refused when the store is made."""
    with pytest.raises((TypeError, ValueError), match="path must be"):
        wxcv.SQLiteStore(wrong)


def test_a_store_checks_its_settings(path: Path) -> None:
    """A lease shorter than a refresh, and a clock that is none, are refused."""
    with pytest.raises(ValueError, match="lease must be a finite number of seconds above 10"):
        wxcv.SQLiteStore(path, lease=10)
    with pytest.raises(TypeError, match="clock must be a Clock"):
        wxcv.SQLiteStore(path, clock=5)  # type: ignore[arg-type]
