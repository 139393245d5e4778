"""Runs the work of a command and exits with its code, without a traceback if its output fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from wxcv.cli import exits, output

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a coroutine in an event loop and exit with the code that it returns."""
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except BrokenPipeError:
        output.discard_stdout()
        code = exits.BROKEN_PIPE
    except OSError as error:
        output.discard_stdout()
        output.say(f"cannot print: {describe(error)}")
        code = exits.SOME_FAILED
    raise typer.Exit(code)


def describe(error: OSError) -> str:
    """Return what the system says of an error."""
    return error.strerror or type(error).__name__
