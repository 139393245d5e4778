"""Ctrl-C and SIGTERM: the first lets a command finish its running calls, the second ends it now."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, NoReturn, Self

from wxcv.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

_GRACE = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _exit_at_once(number: int, _frame: FrameType | None) -> NoReturn:
    """End the process with the exit code of a signal."""
    os._exit(128 + number)


class Interrupts:
    """A ``with`` block of the current task that a signal ends without an exception.

    A signal that is ignored when the command starts, as under nohup, stays ignored. When the block has ended
    after a signal, another one ends the process, with its exit code.

    Args:
        finish: called at the first signal; the block then has 10 s to end by itself. None: it ends at once.
        end: called after that, or at the second signal, to end the block; the task is cancelled if it returns
            False.
        say: prints a message.

    Attributes:
        exit_code: 128 plus the number of the signal, or None if there was no signal.
    """

    def __init__(
        self,
        finish: Callable[[], None] | None = None,
        end: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = say,
    ) -> None:
        self.exit_code: int | None = None
        self._say = say
        self._finish = finish
        self._end_block = end
        self._task = asyncio.current_task()
        self._handled: list[signal.Signals] = []
        self._is_ended = self._is_left = False

    @property
    def is_ended(self) -> bool:
        """Whether the block was ended before its calls were finished."""
        return self._is_ended

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
            try:
                loop.add_signal_handler(number, self._receive, number)
            except NotImplementedError:  # pragma: no cover - Windows, which raises KeyboardInterrupt
                return self
            self._handled.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._is_left = True
        self._stop_handling()
        return self._is_ended and kind is asyncio.CancelledError and not self._is_cancelled_by_others()

    def _stop_handling(self) -> None:
        for number in self._handled:
            asyncio.get_running_loop().remove_signal_handler(number)
            if self._is_left and self.exit_code is not None:  # the command is about to exit with that code
                signal.signal(number, _exit_at_once)

    def _is_cancelled_by_others(self) -> bool:
        return self._task is not None and self._task.uncancel() > 0

    def _receive(self, number: signal.Signals) -> None:
        is_first, self.exit_code = self.exit_code is None, 128 + number
        if is_first and self._finish is not None:
            self._say(f"finishing the running calls for up to {_GRACE:g} s; stop again to end now")
            self._finish()
            asyncio.get_running_loop().call_later(_GRACE, self._end_after_grace)
        else:
            self._end()

    def _end_after_grace(self) -> None:
        if not self._is_ended:
            self._end()

    def _end(self) -> None:
        if self._task is None or self._is_left:
            return
        if self._is_ended:  # a third signal: the next one ends the process
            self._stop_handling()
            return
        self._is_ended = True
        if not self._end_block():
            self._task.cancel()
