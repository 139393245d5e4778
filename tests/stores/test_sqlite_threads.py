"""What is particular to SQLiteStore: its thread, its locks and its processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import subprocess
import sys
import weakref
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from support.accounts import SECRET
from support.programs import run_program
from support.wechat import WeChat

import wxcv
from wxcv.clock import SystemClock
from wxcv.stores import statements
from wxcv.stores.database import Database
from wxcv.stores.database_thread import DatabaseThread
from wxcv.tokens.manager import TokenManager

TOKEN = wxcv.StoredToken("MARKED-T1", 1, 1_700_000_000.0, 100.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no file yet."""
    return tmp_path / "store.db"


async def test_a_file_that_another_process_locks_is_told_in_time(path: Path) -> None:
    """While somebody else holds the file, operations end in a StoreError; afterwards they work."""
    async with wxcv.SQLiteStore(path) as store:
        await store.take("k", 9)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(60):
                three = (store.take("k", 9) for _ in range(3))
                outcomes = await asyncio.gather(*three, return_exceptions=True)
            other.execute("COMMIT")

        assert {type(outcome) for outcome in outcomes} == {wxcv.StoreError}
        assert {"locked" in str(outcome) for outcome in outcomes} == {True}
        assert (await store.take("k", 9)).number is not None  # what was stuck may have been carried out


async def test_a_locked_file_does_not_hold_up_other_stores(path: Path, tmp_path: Path) -> None:
    """While the file of one store is locked, another store of the process works as ever."""
    async with wxcv.SQLiteStore(path) as stuck, wxcv.SQLiteStore(tmp_path / "other.db") as store:
        await asyncio.gather(stuck.take("k", 9), store.take("k", 9))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(stuck.take("k", 9))
            numbers = [(await store.take("k", 9)).number for _ in range(3)]
            assert not waiting.done()
            other.execute("COMMIT")
        await asyncio.gather(waiting, return_exceptions=True)

    assert numbers == [2, 3, 4]


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


async def test_a_store_that_is_opened_and_closed_leaves_nothing_behind(path: Path) -> None:
    """However often a store is opened and closed, the queues of its threads are freed."""
    store = wxcv.SQLiteStore(path)
    queues = []
    for _ in range(3):
        async with store:
            await store.take("k", 9)
            queue = store._thread._queue
            assert queue is not None
            queues.append(weakref.ref(queue))
        del queue

    assert [queue() for queue in queues] == [None] * 3


NEVER_CLOSED = """
import asyncio, gc, sys, threading, time, wxcv
store = wxcv.SQLiteStore(sys.argv[1])
async def main():
    await store.take("k", 9)
    forgotten = wxcv.SQLiteStore(sys.argv[1])
    await forgotten.take("k", 9)
asyncio.run(main())
gc.collect()
while threading.active_count() > 2:
    time.sleep(0.01)
print(threading.active_count())
"""


async def test_a_store_that_is_never_closed_does_no_harm(path: Path) -> None:
    """It does not keep the process, and prints nothing; the thread of one that was forgotten ends."""
    done = await asyncio.to_thread(run_program, NEVER_CLOSED, str(path))

    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


FORK = """
import asyncio, os, sys, threading, warnings, wxcv
warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
store = wxcv.SQLiteStore(sys.argv[1])
async def take(count):
    for _ in range(count):
        assert (await asyncio.wait_for(store.take("k", 10**9), 20)).number is not None
async def take_until_done():
    global taken
    while not done.is_set():
        await take(1)
        taken += 1
taken, done = 0, threading.Event()
asyncio.run(take(1))
busy = threading.Thread(target=asyncio.run, args=(take_until_done(),), daemon=True)
busy.start()
for _ in range(12):
    child = os.fork()
    if not child:
        asyncio.run(take(5))
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
done.set()
busy.join()
print(asyncio.run(store.load_usage("k")).count - taken)
"""


async def test_a_forked_child_has_a_connection_of_its_own(path: Path) -> None:
    """Children that are forked in the middle of transactions neither hang nor disturb their parent."""
    done = await asyncio.to_thread(run_program, FORK, str(path))
    with closing(sqlite3.connect(path)) as connection:
        ((health,),) = connection.execute("PRAGMA integrity_check").fetchall()

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{1 + 12 * 5}\n", "")
    assert health == "ok"


async def test_what_waits_is_written_at_once(path: Path) -> None:
    """A thousand calls that wait for the disk need far fewer transactions than a thousand."""
    async with wxcv.SQLiteStore(path) as store:
        await store.take("k", 1)
        before = _page_writes(path)
        await asyncio.gather(*(store.take("k", 10_000) for _ in range(1000)))

        assert _page_writes(path) - before < 500


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


MAKE_SLOWLY = """
import sys
from wxcv.clock import SystemClock
from wxcv.stores import statements
from wxcv.stores.database import Database
def wait(event, arguments):
    if event == "os.remove" and str(arguments[0]) == sys.argv[1] + "-wal":
        print("removes", flush=True)
        sys.stdin.readline()
sys.addaudithook(wait)
database = Database(sys.argv[1], statements.TABLES, SystemClock())
[taken] = database.transact([lambda db, now: statements.take(db, now, "k", 9, 0, 900.0)])
database.close()
print(taken.number)
"""


async def test_a_file_is_made_by_one_process_at_a_time(path: Path) -> None:
    """While another process is about to remove what was left of a deleted store, nobody uses the new one."""
    Path(f"{path}-wal").write_bytes(b"left")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAKE_SLOWLY, str(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async with wxcv.SQLiteStore(path) as store:
        try:
            assert await process.stdout.readline() == b"removes\n"
            with pytest.raises(wxcv.StoreError, match="another process makes it or has locked its directory"):
                await store.take("k", 9)
        finally:
            printed, _ = await process.communicate(b"\n")

        assert printed == b"1\n"
        assert (await store.take("k", 9)).number == 2


async def test_a_file_that_was_made_needs_no_lock_of_its_directory(path: Path) -> None:
    """A program that keeps its directory locked can go on to use the store in it."""
    async with wxcv.SQLiteStore(path) as store:
        await store.take("k", 9)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        async with wxcv.SQLiteStore(path) as store:
            assert (await store.take("k", 9)).number == 2
    finally:
        os.close(descriptor)
