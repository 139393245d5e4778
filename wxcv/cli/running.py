"""Runs the work of a command and exits with its code, without a traceback if its output fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from wxcv.cli import exits, output

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a coroutine in an event loop and exit with the code that it returns."""
    run_function(lambda: asyncio.run(work))


def run_function(work: Callable[[], int]) -> NoReturn:
    """Run a function and exit with the code that it returns."""
    try:
        code = work()
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except BrokenPipeError:
        output.discard_stdout()
        code = exits.BROKEN_PIPE
    except OSError as error:
        output.discard_stdout()
        output.say(f"cannot print: {describe(error)}")
        code = exits.SOME_FAILED
    if code > 128 and code != exits.BROKEN_PIPE:  # noqa: PLR2004 - a signal's
        _exit_at_once(code)
    raise typer.Exit(code)


def _exit_at_once(code: int) -> NoReturn:
    """End the process; while Python ends, it has no handlers, and another signal would change the code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def describe(error: OSError) -> str:
    """Return what the system says of an error."""
    return error.strerror or type(error).__name__


def exit_on_sigterm() -> None:
    """Let SIGTERM raise SystemExit from now on, so that blocks clean up; an ignored one stays ignored."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, leave)
