"""Names: the names of the images of a command, found by a thread while images are being read."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

from wxcv.cli import exits
from wxcv.cli.lists import ListProblems

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_AHEAD = 100_000
"""How many names are found before they are taken, about 15 MB, so that the total is known early."""


class Names:
    """An async iterable of names, which a thread reads ahead; it can be stopped early.

    The thread is a daemon, so that a silent pipe does not keep the command from ending.

    Args:
        names: yields the names.
        problems: what is wrong with lists, which ``names`` fills.

    Attributes:
        error: what ended the iteration before the last name, or None.
        problems: the argument.
        count: the number of names that were taken.
        found: the number of names that the thread has found.
        is_complete: whether the thread has found all names.
    """

    def __init__(self, names: Iterator[str], problems: ListProblems | None = None) -> None:
        self.error: Exception | None = None
        self.problems = ListProblems() if problems is None else problems
        self.count = self.found = 0
        self.is_complete = False
        self._names = names
        self._ready: deque[str] = deque()
        self._has_room = threading.Event()
        self._changed = asyncio.Event()
        self._is_waiting = self._is_started = self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._is_stopped

    def stop(self) -> None:
        """End the iteration."""
        self._is_stopped = True
        self._changed.set()

    async def take(self) -> str | None:
        """Return the next name, or None after the last one; a cancelled call loses no name."""
        if not self._is_started:
            self._is_started = True
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._read, args=(loop,), name="wxcv names", daemon=True).start()
        while not self._is_stopped and not self._ready and not self._has_ended():
            self._changed.clear()
            self._is_waiting = True
            if self._ready or self.is_complete:  # added before the thread could see that this waits
                continue
            await self._changed.wait()
        if self._is_stopped or not self._ready:
            return None
        self.count += 1
        name = self._ready.popleft()
        if len(self._ready) < _AHEAD // 2:
            self._has_room.set()
        return name

    async def __aiter__(self) -> AsyncIterator[str]:
        while (name := await self.take()) is not None:
            yield name

    def _has_ended(self) -> bool:
        return self.is_complete and not self._ready  # in this order, as the thread may be adding the last one

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
            try:
                for name in self._names:
                    self._ready.append(name)
                    self.found += 1
                    self._wake(loop)
                    self._wait_for_room()
            except Exception as error:  # noqa: BLE001 - the thread would end without a word
                self.error = error
            finally:
                self.is_complete = True
                self._wake(loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_waiting:  # or else a loop that is busy would be woken for every name
            self._is_waiting = False
            loop.call_soon_threadsafe(self._changed.set)

    def _wait_for_room(self) -> None:
        while len(self._ready) >= _AHEAD:
            self._has_room.clear()
            if len(self._ready) >= _AHEAD:
                self._has_room.wait()


def report_names(names: Names, say: Callable[[str], None]) -> int:
    """Say what is wrong with the names of the images, if anything is, and return the exit code for it."""
    if names.error is not None:
        raise names.error
    problems = list(names.problems.describe())
    for problem in problems:
        say(problem)
    if not names.count and names.is_complete and not problems:
        say("no images were found")
    return exits.SOME_FAILED if problems else exits.ALL_READ
