"""The names of the images on the command line: paths, URLs, folders, and names on standard input."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""The suffixes of the files that are read from a folder."""

_AHEAD = 64


class InputError(Exception):
    """The names of the images cannot be read; the message says why, on one line."""


def _names_in_folder(folder: str) -> Iterator[str]:
    """Yield the images in a folder, then the folders in it that cannot be listed: each fails as an image."""
    unreadable: list[str] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        folders.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES:
                yield os.path.join(place, name)  # noqa: PTH118 - Path would drop a leading "./"
    yield from unreadable


def _names_on_stdin() -> Iterator[str]:
    if sys.stdin is None:
        raise InputError("cannot read standard input: it is closed")
    try:
        for line in sys.stdin.buffer:
            name = os.fsdecode(line.rstrip(b"\r\n"))
            if name:
                yield name
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise InputError(f"cannot read standard input: {reason}")


def expand(words: Sequence[str]) -> Iterator[str]:
    """Yield the names of the images; walk folders, and read the lines of standard input for ``-``.

    Raises:
        InputError: standard input cannot be read.
    """
    for word in words:
        if word == "-":
            yield from _names_on_stdin()
        elif "://" not in word and os.path.isdir(word):  # noqa: PTH112 - a name may be anything
            yield from _names_in_folder(word)
        else:
            yield word


def may_be_several(words: Sequence[str]) -> bool:
    """Return whether these words may name several images, even if they name one."""
    return len(words) != 1 or words[0] == "-" or os.path.isdir(words[0])  # noqa: PTH112 - as above


class Names:
    """An async iterable of names, which a thread reads ahead; it can be stopped early.

    The thread is a daemon, so that a silent pipe does not keep the command from ending.

    Attributes:
        error: what ended the iteration before the last name, or None.
        count: the number of names so far.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.error: Exception | None = None
        self.count = 0
        self._names = expand(words)
        self._ready: deque[str | None] = deque()
        self._capacity = threading.Semaphore(_AHEAD)
        self._changed = asyncio.Event()
        self._is_stopped = False

    def stop(self) -> None:
        """End the iteration."""
        self._is_stopped = True
        self._changed.set()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
            try:
                for name in self._names:
                    self._capacity.acquire()
                    loop.call_soon_threadsafe(self._add, name)
            except Exception as error:  # noqa: BLE001 - the thread would end without a word
                self.error = error
            finally:
                loop.call_soon_threadsafe(self._add, None)

    def _add(self, name: str | None) -> None:
        self._ready.append(name)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), daemon=True).start()
        while True:
            while not self._ready and not self._is_stopped:
                self._changed.clear()
                await self._changed.wait()
            name = None if self._is_stopped else self._ready.popleft()
            if name is None:
                return
            self._capacity.release()
            self.count += 1
            yield name
