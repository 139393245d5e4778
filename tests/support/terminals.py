"""A terminal for a command, and what is shown on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOVEMENT = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")


class Terminal:
    """What a command has written to a terminal.

    Attributes:
        descriptor: the command's end.
        written: all that was written.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.written = b""
        self.changed = asyncio.Event()

    @property
    def lines(self) -> list[str]:
        """All lines that were ever shown, without colours and movements of the cursor."""
        text = _MOVEMENT.sub("\r", _COLOUR.sub("", self.written.decode()))
        return [part for line in text.split("\n") for part in line.split("\r") if part]

    async def until(self, text: str) -> None:
        """Return when the text has been shown."""
        while text not in self.written.decode(errors="replace"):
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def terminal(columns: int = 80) -> AsyncIterator[Terminal]:
    """Open a terminal of that width, with 24 rows."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    screen, loop = Terminal(writing), asyncio.get_running_loop()

    def read() -> None:
        screen.written += os.read(reading, 65_536)
        screen.changed.set()

    loop.add_reader(reading, read)
    try:
        yield screen
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)
