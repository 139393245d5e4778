"""``wxcv results``: shows what a journal holds, and deletes from it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

import wxcv
from wxcv.cli import exits
from wxcv.cli.endpoints import find_endpoint
from wxcv.cli.entries import Format, csv_lines, json_lines, table_lines
from wxcv.cli.files import replace_file
from wxcv.cli.output import count_of, printable, say
from wxcv.cli.running import describe, exit_on_sigterm, run_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORMAT_HELP = (
    "table: for people. jsonl: an object on each line, with all that is known of an image. csv: the same, "
    "with objects as JSON. Files and pipes get UTF-8, and a terminal no control characters. A byte of a file "
    "name that is not UTF-8, such as FF, is \\udcff in jsonl, as Python's os.fsencode expects it, and "
    "that byte in csv."
)
_STATUSES = ("ok", "failed", "not_sent", "unknown")


def _parse_statuses(words: list[str] | None) -> list[str] | None:
    """Return the statuses that are given, separated by commas or one by one."""
    if not words:
        return words
    statuses = [status for word in words for status in word.split(",")]
    for status in statuses:
        if status not in _STATUSES:
            raise typer.BadParameter(f"no status {status!r}; there are {', '.join(_STATUSES)}")
    return statuses


def _find_path(name: str | None) -> str | None:
    """Return the path of the endpoint that is given by name or by its path."""
    return name if name is None or name.startswith("/") else find_endpoint(name).path


@attrs.frozen(kw_only=True)
class _Selection:
    """Which entries are shown, and how."""

    journal: str
    format: Format
    statuses: list[str] | None
    endpoint: str | None

    def write(self, write: Callable[[str], object], *, is_terminal: bool, is_utf8: bool = True) -> int:
        """Write the entries as text; return the exit code."""
        counts: Counter[str] = Counter()
        try:
            with wxcv.JournalReader(self.journal) as reader:
                if reader.warning is not None:
                    say(reader.warning)
                entries = self._read(reader, counts)
                for line in self._lines(entries, is_terminal=is_terminal, is_ascii=not is_utf8):
                    write(line)
        except wxcv.JournalError as error:
            say(str(error))
            raise typer.Exit(exits.JOURNAL) from None
        if self.format is Format.TABLE:
            say(_summarize(counts))
        return exits.ALL_READ

    def _read(self, reader: wxcv.JournalReader, counts: Counter[str]) -> Iterator[wxcv.JournalEntry]:
        statuses: list[str | None] = [*self.statuses] if self.statuses else [None]
        for status in statuses:
            for entry in reader.entries(status=status, endpoint=self.endpoint):
                counts[entry.status] += 1
                yield entry

    def _lines(
        self, entries: Iterator[wxcv.JournalEntry], *, is_terminal: bool, is_ascii: bool
    ) -> Iterator[str]:
        if self.format is Format.JSONL:
            return json_lines(entries, is_ascii=is_ascii)
        if self.format is Format.CSV:
            return csv_lines(entries, is_printable=is_terminal)
        return table_lines(entries)


def _summarize(counts: Counter[str]) -> str:
    parts = [f"{counts[status]:,} {status}" for status in _STATUSES if counts[status]]
    return count_of(counts.total(), "result") + (f": {', '.join(parts)}" if parts else "")


def _to_bytes(text: str) -> bytes:
    """Return the text in UTF-8, with the bytes of names that are not UTF-8 as they are."""
    return text.encode("utf-8", "surrogateescape")


def _print(selection: _Selection) -> int:
    """Write to standard output: text to a terminal, UTF-8 to anything else."""
    if sys.stdout.isatty():
        is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        return selection.write(sys.stdout.write, is_terminal=True, is_utf8=is_utf8)
    return selection.write(_write_bytes, is_terminal=False)


def _write_bytes(text: str) -> None:
    """Write without a buffer, which an interrupted command would wait for at its end."""
    rest, descriptor = memoryview(_to_bytes(text)), sys.stdout.fileno()
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _save(selection: _Selection, path: str) -> int:
    """Write to a new file, which takes the place of an older one at the end."""
    try:
        with replace_file(path) as file:
            return selection.write(lambda text: file.write(_to_bytes(text)), is_terminal=False)
    except OSError as error:
        say(f"cannot write {printable(path)}: {describe(error)}; an older file stays as it was")
    return exits.SOME_FAILED


def _check_output(path: str, journal: str) -> None:
    """Refuse a file that must not be replaced."""
    if not os.path.lexists(path):
        return
    if Path(path).exists() and not Path(path).is_file():
        raise typer.BadParameter(f"--output {path!r} is a directory or a device; give the path of a file")
    for name in (journal, f"{journal}-wal", f"{journal}-shm", f"{journal}.lock"):
        if Path(name).exists() and Path(path).exists() and Path(path).samefile(name):
            raise typer.BadParameter(f"--output {path!r} is the journal itself or belongs to it")


async def _forget(path: str, pattern: str) -> int:
    """Delete what the journal has of matching images; return the exit code."""
    try:
        with wxcv.JournalReader(path):  # a journal that does not exist must not be made
            pass
        async with wxcv.Journal(path) as journal:
            deleted = await journal.forget(pattern)
    except wxcv.JournalError as error:
        say(str(error))
        return exits.JOURNAL
    say(f"deleted {count_of(deleted.images, 'image')} and {count_of(deleted.results, 'result')}")
    return exits.ALL_READ


def results(  # noqa: PLR0913 - the options of the command
    journal: Annotated[str, typer.Argument(metavar="JOURNAL", help="The journal of a bulk run.")],
    *,
    format: Annotated[Format, typer.Option(help=_FORMAT_HELP)] = Format.TABLE,  # noqa: A002 - as it is said
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help=f"Only results with this status: {', '.join(_STATUSES)}. Several are separated by commas.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(help="Only results of this endpoint: the name of a command, module:NAME, or a path."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write to this file, which only you can read. An older one stays until all is written.",
        ),
    ] = None,
    forget: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Delete, without asking, the images whose path, URL or name matches the pattern, such as "
            "'*.jpg', or the last part of it does, or the name that is shown, and their answers.",
        ),
    ] = None,
) -> None:
    """Show what the journal of a bulk run holds, even during the run, or delete from it."""
    if forget is not None:
        if status or endpoint is not None or output is not None or format is not Format.TABLE:
            raise typer.BadParameter("--forget takes no other option")
        if not forget.isprintable() or not forget:
            raise typer.BadParameter("--forget must be printable and not empty; ? matches any character")
        run_function(lambda: asyncio.run(_forget(journal, forget)))
    selection = _Selection(
        journal=journal, format=format, statuses=_parse_statuses(status), endpoint=_find_path(endpoint)
    )
    if output is not None:
        _check_output(output, journal)
    exit_on_sigterm()
    run_function(lambda: _print(selection) if output is None else _save(selection, output))
