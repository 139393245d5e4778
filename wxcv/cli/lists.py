"""Names of images in lists: lines of text, names that end with a NUL byte, and records of CSV and JSON."""

from __future__ import annotations

import csv
import json
import os
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

LONGEST_LINE = 64 * 1024
"""The most bytes that a line of a list, or a record of CSV, may have."""

_NO_REST = "; the rest of it was not tried"


class InputError(Exception):
    """The names of the images cannot be read; the message says why, on one line."""


class ColumnError(InputError):
    """A list has no such column."""


@attrs.define
class ListProblems:
    """What is wrong with the lists of a command.

    Attributes:
        errors: why lists could not be read to their end.
        skipped: how many rows have no name of an image.
    """

    errors: list[InputError] = attrs.field(factory=list)
    skipped: int = 0

    def describe(self) -> Iterator[str]:
        """Yield a line for each error, and one for the rows."""
        yield from map(str, self.errors)
        if self.skipped:
            rows = "row that has" if self.skipped == 1 else "rows that have"
            yield f"skipped {self.skipped:,} {rows} no name of an image"


def names_of_lines(read: Callable[[int], bytes], place: str) -> Iterator[str]:
    """Yield the names in a list, one per line; if there are NUL bytes, those end the names instead.

    Args:
        read: returns at most so many bytes of the list, as soon as there are any, and b"" at its end.
        place: what it is called in messages.

    Raises:
        InputError: a name is too long, or a NUL byte comes after the first 64 KiB only.
        OSError: the list cannot be read.
    """
    block = read(LONGEST_LINE)
    separator, ending = (b"\0", b"") if b"\0" in block else (b"\n", b"\r")
    rest = b""
    while block:
        *names, rest = (rest + block).split(separator)
        for name in names:
            yield from _name_of_bytes(name.rstrip(ending) if ending else name, place)
        if len(rest) > LONGEST_LINE:
            raise InputError(_describe_long(place))
        block = read(LONGEST_LINE)
    yield from _name_of_bytes(rest.rstrip(ending) if ending else rest, place)


def _name_of_bytes(name: bytes, place: str) -> Iterator[str]:
    if b"\0" in name:
        raise InputError(
            f"{place} has both lines and NUL bytes; separate all names with newlines, or all with NUL bytes"
            f"{_NO_REST}"
        )
    if len(name) > LONGEST_LINE:
        raise InputError(_describe_long(place))
    if name:
        yield os.fsdecode(name)


def _describe_long(place: str, number: int | None = None) -> str:
    where = f"line {number} of {place}" if number else f"a line of {place}"
    return f"{where} has more than {LONGEST_LINE:,} bytes; is it really a list of images?{_NO_REST}"


class _Lines:
    """The lines of a file as text; those of one record have at most LONGEST_LINE bytes together.

    Attributes:
        number: the number of the last line, from 1.
    """

    def __init__(self, file: BufferedReader, place: str) -> None:
        self._file = file
        self._place = place
        self._size = 0
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._size += len(line)
        if self._size > LONGEST_LINE:
            raise InputError(_describe_long(self._place, self.number))
        text = line.decode("utf-8", "surrogateescape")
        return text.removeprefix("\ufeff") if self.number == 1 else text

    def end_record(self) -> None:
        """Begin to count the bytes of the next record."""
        self._size = 0

    def explain(self, reason: str) -> InputError:
        """Return the error for the last line."""
        return InputError(f"line {self.number} of {self._place} {reason}{_NO_REST}")


def names_in_csv(file: BufferedReader, place: str, column: str, problems: ListProblems) -> Iterator[str]:
    """Yield the texts in a column of CSV in UTF-8, whose first record has the names of the columns.

    Records without a text there are counted as skipped; bytes that are not UTF-8 are kept.

    Raises:
        InputError: there is no such column, or a record is too long or has an unusable name.
        OSError: the file cannot be read.
    """
    lines = _Lines(file, place)
    rows = csv.reader(lines)
    try:
        head = next(rows, [])
        lines.end_record()
        if column not in head:
            raise ColumnError(f"{place} has no column {column!r}; give one with --column{_offer(head)}")
        index = head.index(column)
        for row in rows:
            lines.end_record()
            if len(row) > index and row[index].strip():
                yield _check_name(row[index], lines)
            else:
                problems.skipped += bool(row)  # an empty line is no row
    except csv.Error as error:
        raise lines.explain(f"is not CSV: {error}") from None


def check_column(path: str, column: str) -> None:
    """Check that a .csv file has the column; one that cannot be read now is not checked.

    Raises:
        ColumnError: it does not.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a name may be anything
            next(names_in_csv(file, path, column, ListProblems()), None)
    except ColumnError:
        raise
    except (InputError, OSError):
        return


def _offer(head: list[str]) -> str:
    names = ", ".join(map(repr, head))[:200]
    return f": {names}" if names else ""


def names_in_json_lines(
    file: BufferedReader, place: str, column: str, problems: ListProblems
) -> Iterator[str]:
    """Yield the texts under the key ``column`` in lines of JSON, of which each has one object.

    Objects without a text there are counted as skipped.

    Raises:
        InputError: a line is too long, is not a JSON object, or has an unusable name there.
        OSError: the file cannot be read.
    """
    lines = _Lines(file, place)
    for line in lines:
        lines.end_record()
        if not line.strip():
            continue
        name = _parse(line, lines).get(column)
        if isinstance(name, str) and name.strip():
            yield _check_name(name, lines)
        else:
            problems.skipped += 1


def _parse(line: str, lines: _Lines) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise lines.explain("is not JSON") from None
    if not isinstance(record, dict):
        raise lines.explain("is not a JSON object")
    return record


def _check_name(name: str, lines: _Lines) -> str:
    """Return the name if a file can have it."""
    try:
        is_usable = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        is_usable = False
    if not is_usable:
        raise lines.explain("has a name that no file can have")
    return name
