"""What is particular to SQLiteStore: its clock, and where its file may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import wxcv
from wxcv.clock import SystemClock, end_of_day
from wxcv.stores import statements
from wxcv.stores.database import Database
from wxcv.stores.file_systems import find_network_type

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = wxcv.StoredToken("MARKED-T1", 1, 1_700_000_000.0, 100.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no file yet."""
    return tmp_path / "store.db"


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
    with pytest.raises(ValueError, match="lease must be a number of seconds above 10 and at most"):
        wxcv.SQLiteStore(path, lease=10)
    with pytest.raises(TypeError, match="clock must be a Clock"):
        wxcv.SQLiteStore(path, clock=5)  # type: ignore[arg-type] # on purpose
