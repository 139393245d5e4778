"""Journals of processes that are killed, run at once, fork, or may not write."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from support.journals import process, read_entries, start_run
from support.programs import run_program
from support.redis_server import worker_command

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def worker(path: Path, what: str, number: int = 0) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that has the journal open; it is killed at the end."""
    command = worker_command("journal_worker.py", str(path), what, str(number))
    running = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert await running.stdout.readline() == b"open\n"
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def read_lines(running: asyncio.subprocess.Process, count: int = -1) -> list[str]:
    """Return so many lines that the process prints, or all complete ones till its end."""
    assert running.stdout is not None
    found: list[str] = []
    while len(found) != count and (line := await running.stdout.readline()).endswith(b"\n"):
        found.append(line.decode().rstrip("\n"))
    return found


def names_of(lines: list[str], word: str) -> list[str]:
    """Return the names of the images in the lines that begin with a word."""
    return [line.split()[1] for line in lines if line.startswith(f"{word} ")]


# --- killed


async def test_what_was_given_survives_a_kill(path: Path) -> None:
    """After ``kill -9`` at random moments no outcome that was given is lost, and at most 8 are sent again."""
    begun: list[str] = []
    given: set[str] = set()
    for _ in range(8):
        async with worker(path, "run", 3000) as running:
            lines = await read_lines(running, random.randrange(1, 600))  # noqa: S311 - not for security
            running.kill()
            lines += await read_lines(running)
        assert not given & set(names_of(lines, "begin"))
        given |= set(names_of(lines, "done"))
        begun += names_of(lines, "begin")

    assert {entry.label for entry in await read_entries(path, status="ok")} >= given
    assert len(begun) - len(set(begun)) <= 8 * 8


async def test_what_was_being_sent_at_a_kill_is_unknown_with_at_most_once(path: Path) -> None:
    """What was being sent is in the journal before, is unknown afterwards, and is not sent again."""
    async with worker(path, "send", 8) as running:
        begun = names_of(await read_lines(running, 8), "begin")
        assert {entry.status for entry in await read_entries(path)} == {"unknown"}
        running.kill()
    async with worker(path, "once", 20) as running:
        lines = await read_lines(running)

    assert len(begun) == 8
    assert not set(begun) & set(names_of(lines, "begin"))
    assert {line for line in lines if line.endswith("unknown")} == {f"done {name} unknown" for name in begun}
    (error,) = {str(entry.error) for entry in await read_entries(path, status="unknown")}
    assert "the run ended before the answer was recorded" in error


# --- at once


async def test_a_second_run_is_refused(path: Path) -> None:
    """It is told which process has the journal, and can read it; when that is killed, it can be opened."""
    async with worker(path, "hold") as running:
        told = f"is in use by another run (process {running.pid} on {socket.gethostname()}); wait until it"
        with pytest.raises(wxcv.JournalError) as caught:
            await wxcv.Journal(path).__aenter__()
        assert told in str(caught.value)
        assert await read_entries(path) == []
        running.kill()
        await running.wait()
    async with wxcv.Journal(path):
        pass


async def test_a_second_journal_of_the_same_process_is_refused(path: Path, tmp_path: Path) -> None:
    """One file is one journal, also by another name; when it is closed, nothing remains beside it."""
    link = tmp_path / "link"
    link.symlink_to(path)
    async with wxcv.Journal(path):
        with pytest.raises(wxcv.JournalError, match=r"is in use by another run \(process \d+ on "):
            await wxcv.Journal(link).__aenter__()

    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "run.sqlite"]


# --- forked


FORKING = """
import asyncio, os, sys
import wxcv
async def main():
    async with wxcv.Journal(sys.argv[1]) as journal:
        ours, others = os.pipe()
        child = os.fork()
        if not child:
            os.write(others, b"x")
            try:
                await journal.forget("x")
            except wxcv.JournalError as error:
                print(error, flush=True)
            await journal.aclose()
            if sys.argv[2] == "killed":
                sys.stdin.read()
            os._exit(0)
        if sys.argv[2] == "killed":
            os.read(ours, 1)  # the child is alive
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        print((await journal.forget("x")).images)
asyncio.run(main())
"""


def test_a_forked_child_cannot_use_the_journal(path: Path) -> None:
    """It gets a JournalError, and to close the journal there leaves the parent's as it is."""
    done = run_program(FORKING, str(path), "")

    assert done.stderr == ""
    assert done.stdout == (
        "the Journal was made before this process was forked; make another one here, for another file\n0\n"
    )


async def test_a_forked_child_does_not_keep_the_lock(path: Path) -> None:
    """When the parent is killed, another run may begin at once, although its child lives on."""
    command = (sys.executable, "-c", FORKING, str(path), "killed")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as forking:  # noqa: ASYNC220, S603 - ours
        assert await asyncio.to_thread(forking.wait) == -9
        async with wxcv.Journal(path):
            pass
        forking.communicate()


# --- full


@pytest.mark.parametrize("limit", [0, 1, 4096, 20_000, 40_000, 100_000, 300_000])
async def test_when_the_disk_is_full_sending_stops(path: Path, limit: int) -> None:
    """A JournalError says what is durable; what was yielded is; the next run resumes."""
    async with worker(path, "limit", limit) as running:
        *lines, error = await read_lines(running)
        assert await running.wait() == 5
    given, begun = names_of(lines, "done"), names_of(lines, "begin")

    assert "/run.sqlite cannot be " in error
    assert "the disk" in error
    assert error.endswith(
        "every outcome that the batch yielded is recorded, and at most 8 images were sent without a record"
    )
    assert len(begun) - len(given) <= 8
    assert {entry.label for entry in await read_entries(path)} >= set(given)
    async with wxcv.Journal(path) as journal:
        await process(start_run(journal), b"x")
