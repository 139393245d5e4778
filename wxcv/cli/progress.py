"""Progress: shows on standard error how a bulk run goes, from a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from io import TextIOBase
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from wxcv.cli import output
from wxcv.cli.writing import write_all

if TYPE_CHECKING:
    from wxcv.cli.run_view import RunView

_LINE_EVERY = 10.0  # seconds, where standard error is not a terminal
_SAME_LINE_EVERY = 900.0  # seconds, while nothing changes
_REDRAW_EVERY = 0.25


class _Stderr(TextIOBase):
    """Standard error as rich needs it, without a buffer whose lock a stalled terminal would hold.

    What cannot be written is dropped, as the journal has the outcomes. Rich itself would end the program, and
    close its standard output too.

    Attributes:
        is_broken: whether nothing can be written.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self.encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self.is_broken = sys.stderr is None

    def write(self, text: str, /) -> int:
        if not self.is_broken:
            try:
                write_all(sys.stderr, text)
            except (OSError, ValueError):
                self.is_broken = True
        return len(text)

    def isatty(self) -> bool:
        return sys.stderr is not None and sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()


class LineFilter:
    """Tells which lines of progress are printed: those that tell something new, or come after 15 minutes."""

    def __init__(self) -> None:
        self._state: object = None
        self._printed_at = 0.0

    def is_due(self, state: object, now: float) -> bool:
        """Return whether to print a line now; ``state`` is what it tells, and ``now`` is in seconds."""
        if state == self._state and now - self._printed_at < _SAME_LINE_EVERY:
            return False
        self._state, self._printed_at = state, now
        return True


class Progress:
    """Shows how a bulk run goes: a bar and numbers on a terminal, elsewhere a line every 10 s if it is new.

    Everything is written by a thread, so that a slow terminal delays no call. The thread is a daemon, and
    ends when nothing can be written.

    Args:
        view: makes what is shown.
        is_quiet: whether only messages of ``say`` are shown.
        has_bar: whether a bar may be shown; not if outcomes are printed on the same terminal.
    """

    def __init__(self, view: RunView, *, is_quiet: bool, has_bar: bool) -> None:
        self._view = view
        self._is_quiet = is_quiet
        self._messages: deque[str] = deque()
        self._changed = threading.Event()
        self._is_ending = False
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._stderr = _Stderr()
        self._console = Console(file=self._stderr, stderr=True, highlight=False, soft_wrap=False)  # type: ignore[arg-type] # it writes and has isatty
        is_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._has_bar = has_bar and is_terminal and not is_quiet
        self._is_started = False

    @property
    def has_bar(self) -> bool:
        """Whether there is a bar."""
        return self._has_bar

    def start(self) -> None:
        """Begin to show progress; messages before that are printed at once."""
        self._is_started = True
        threading.Thread(target=self._run, name="wxcv progress", daemon=True).start()

    def say(self, message: str) -> None:
        """Print a message on one line."""
        if not self._is_started:
            output.say(message)
            return
        self._messages.append(f"wxcv: {output.printable(message)}")
        self._changed.set()

    def say_unless_quiet(self, message: str) -> None:
        """Print a message on one line, unless only messages of ``say`` are shown."""
        if not self._is_quiet:
            self.say(message)

    async def aclose(self, patience: float | None = None) -> None:
        """Show the end, and return when all is written, or after ``patience`` seconds."""
        if not self._is_started:
            return
        self._is_ending = True
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._ended.wait()

    def _run(self) -> None:
        try:
            self._show_bar() if self._has_bar else self._show_lines()
        finally:
            with suppress(RuntimeError):  # the loop is closed: the command has ended
                self._loop.call_soon_threadsafe(self._ended.set)

    def _show_bar(self) -> None:
        with Live(
            get_renderable=self._view.render,
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while not self._is_ending and not self._stderr.is_broken:
                self._print_messages()
                live.refresh()
                self._changed.wait(_REDRAW_EVERY)
                self._changed.clear()
            live.refresh()
        self._print_messages()

    def _show_lines(self) -> None:
        due = time.monotonic() + _LINE_EVERY
        lines = LineFilter()
        while not self._is_ending and not self._stderr.is_broken:
            self._print_messages()
            self._changed.wait(max(due - time.monotonic(), 0))
            self._changed.clear()
            if time.monotonic() >= due:
                due += _LINE_EVERY
                if lines.is_due(self._view.state(), time.monotonic()):
                    self.say_unless_quiet(self._view.line())
        self._print_messages()

    def _print_messages(self) -> None:
        while self._messages:
            is_one_line = not self._console.is_terminal  # a terminal gets it wrapped at words
            self._console.print(self._messages.popleft(), markup=False, emoji=False, soft_wrap=is_one_line)
