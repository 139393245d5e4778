"""LineWriter: writes lines to standard output in a thread, so that a slow reader delays no call."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 8 * 1024 * 1024
"""Characters that wait for a slow reader; then the run waits too."""


def write_all(stream: TextIO, text: str) -> None:
    """Write a text past the stream's buffers, whose locks a write that never ends would hold at the exit.

    Raises:
        OSError: it cannot be written; some of it may have been.
    """
    buffer: Any = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(text)
        return
    raw = getattr(buffer, "raw", buffer)
    data = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
    while data:
        count = raw.write(data)
        if count is None:  # a pipe that another process has set to non-blocking is full
            time.sleep(0.01)
        else:
            data = data[count:]


class LineWriter:
    """Writes lines to standard output in a thread, as fast as they can be written.

    It belongs to the running event loop. The thread is a daemon, so that a reader that never reads does not
    keep the command from ending.

    Args:
        on_failure: called once when a line cannot be written.

    Attributes:
        error: why lines could not be written, or None.
    """

    def __init__(self, on_failure: Callable[[], None] = lambda: None) -> None:
        self.error: OSError | None = None
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []
        self._size = self._writing = 0
        self._has_lines = threading.Event()
        self._lock = threading.Lock()
        self._changed = asyncio.Event()
        self._is_started = False

    async def put(self, line: str) -> None:
        """Write a line soon; wait only if too many lines are not written yet."""
        if self.error is not None:
            return
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
        if not self._is_started:
            self._is_started = True
            threading.Thread(target=self._run, name="wxcv output", daemon=True).start()
        self._has_lines.set()
        await self._wait(lambda: self._size + self._writing < _MOST)

    async def flush(self) -> None:
        """Return when all lines are written, or cannot be."""
        await self._wait(lambda: not self._size and not self._writing)

    async def _wait(self, is_enough: Callable[[], bool]) -> None:
        while self.error is None and not is_enough():
            self._changed.clear()
            if self.error is None and not is_enough():
                await self._changed.wait()

    def _run(self) -> None:
        while self.error is None:
            self._has_lines.wait()
            self._has_lines.clear()
            with self._lock:
                lines, self._lines = self._lines, []
                self._writing, self._size = self._size, 0
            try:
                write_all(sys.stdout, "".join(f"{line}\n" for line in lines))
            except (OSError, ValueError) as error:
                self.error = error if isinstance(error, OSError) else OSError(str(error))
            self._writing = 0
            self._notify()

    def _notify(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
            if self.error is not None:
                self._loop.call_soon_threadsafe(self._on_failure)
        except RuntimeError:  # the loop is closed: the command has ended
            self.error = self.error or OSError("the command has ended")
