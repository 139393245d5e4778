"""Runs a command that reads images: opens a session, reads, prints, and tells how it ended."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from wxcv.cli import exits, output
from wxcv.cli.inputs import expand
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.lists import ListProblems
from wxcv.cli.names import Names, report_names
from wxcv.cli.reading import ImageReader
from wxcv.cli.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import wxcv
    from wxcv.cli.options import SessionSettings
    from wxcv.cli.reading import ImageReport


async def read_images(
    images: Sequence[str],
    endpoints: Sequence[wxcv.Endpoint[Any]],
    settings: SessionSettings,
    printer: output.Printer,
    fields: Mapping[str, str] | None = None,
) -> int:
    """Read the images with each of the endpoints, print the answers and errors, and return the exit code."""
    problems = ListProblems()
    names, errors = Names(expand(images, problems=problems), problems), output.ErrorPrinter()

    def print_report(report: ImageReport) -> None:
        printer.print_report(report)
        errors.print_errors(report)

    reader: ImageReader | None = None

    def end() -> bool:
        if reader is not None:
            reader.end()
        return reader is not None

    with Interrupts(names.stop, end) as interrupts:
        async with AsyncExitStack() as stack:
            session = await open_session(stack, settings, endpoints)
            reader = ImageReader(session, names, endpoints, print_report, fields)
            await reader.read()
        await reader.print_rest()
        errors.print_summary()
        code = max(reader.exit_code, report_names(names, output.say), await asyncio.to_thread(printer.finish))
        return interrupts.exit_code or code
    return interrupts.exit_code or exits.SOME_FAILED
