"""A run on a journal in a process of its own; run by the tests, which kill it or limit what it may write.

Arguments: the journal's path, what to do, a number. Prints "open", and for every image "begin NAME" where a
call would send it, and "done NAME STATUS" where a batch would give its outcome. After a JournalError it
prints "error" and the message, and ends with 5.

- hold: keep the journal open until standard input ends.
- run, once: do so many images, eight at a time; "once" with ``at_most_once``.
- send: like "once", but never get an answer.
- limit: as "run", while no file may have more than so many bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))  # of the tests
import wxcv
from support.journals import ANSWER, PNG, start_run
from wxcv.images.sources import LocalImage

if TYPE_CHECKING:
    from wxcv.journal.runs import JournalRun


async def do(run: JournalRun, name: str, what: str) -> None:
    """Do with an image what a batch does."""
    record = await run.look_up(name.encode())
    if await record.find(LocalImage(name, PNG + name.encode(), "image/png")) is None:
        await record.begin()
        print("begin", name, flush=True)
        if what == "send":
            await asyncio.Event().wait()
        await record.save_call("ok", ANSWER, None, 1, "wechat")
    else:
        await record.save_input()
    print("done", name, record.known.status if record.known else "ok", flush=True)


async def work(path: str, what: str, number: int) -> None:
    """Do as the arguments say."""
    async with wxcv.Journal(path) as journal:
        run = start_run(journal, at_most_once=what in {"once", "send"})
        if what == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
        print("open", flush=True)
        if what == "hold":
            await asyncio.to_thread(sys.stdin.read)
            return
        names = map("image-{}".format, itertools.count() if what == "limit" else range(number))

        async def do_one_by_one() -> None:
            for name in names:
                await do(run, name, what)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(do_one_by_one())


def main() -> None:
    """Do as the arguments say, and tell of a JournalError on one line."""
    path, what, number = sys.argv[1:]
    errors: tuple[BaseException, ...] = ()
    try:
        asyncio.run(work(path, what, int(number)))
    except* wxcv.JournalError as group:
        errors = group.exceptions
    for error in errors[:1]:
        print("error", error, flush=True)
        sys.exit(5)


main()
