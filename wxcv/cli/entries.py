"""Entries of a journal as text: lines of JSON, CSV, or a table for people."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
from rich.cells import cell_len

import wxcv
from wxcv.cli.endpoints import public_endpoints
from wxcv.cli.output import display_name, printable, to_printable_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_HEAD = ("status", "endpoint", "sends", "image", "answer or error")
_BLOCK = 500
"""Rows of a table that are aligned with one another."""

_WIDEST = 120  # columns of a terminal; a longer cell moves the rest of its row
_LONGEST_ANSWER = 120  # characters


class Format(StrEnum):
    """The formats of ``wxcv results``."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def json_lines(entries: Iterable[wxcv.JournalEntry], *, is_ascii: bool = False) -> Iterator[str]:
    """Yield a line for each entry, with all its fields as a JSON object.

    What is not printable is escaped, and so are the bytes of a name that are not UTF-8.
    """
    for entry in entries:
        yield to_printable_json(_fields_of(entry), is_ascii=is_ascii) + "\n"


def csv_lines(entries: Iterable[wxcv.JournalEntry], *, is_printable: bool) -> Iterator[str]:
    """Yield a row with the names of the fields, then one for each entry, as in RFC 4180.

    Objects are JSON. If ``is_printable``, each row is one line, and what is not printable is escaped.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n" if is_printable else "\r\n")

    def write(cells: Iterable[object]) -> str:
        writer.writerow(map(printable, map(str, cells)) if is_printable else cells)
        row = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return row

    yield write(field.name for field in attrs.fields(wxcv.JournalEntry))
    for entry in entries:
        yield write(map(_csv_cell, _fields_of(entry).values()))


def table_lines(entries: Iterator[wxcv.JournalEntry]) -> Iterator[str]:
    """Yield the head of a table, then a line for each entry; what is not printable is escaped."""
    widths, is_first = list(map(cell_len, _HEAD)), True
    while (block := [_table_cells(entry) for entry in islice(entries, _BLOCK)]) or is_first:
        for number, column in enumerate(zip(*block, strict=True)):
            widths[number] = max(widths[number], min(max(map(cell_len, column)), _WIDEST))
        if is_first:
            yield _row(_HEAD, widths)
        is_first = False
        yield from (_row(cells, widths) for cells in block)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    *others, last = cells
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(others, widths, strict=False))
    return "  ".join([*padded, last]).rstrip() + "\n"


def _fields_of(entry: wxcv.JournalEntry) -> dict[str, Any]:
    fields = attrs.asdict(entry, recurse=False)
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()
    }


def _csv_cell(value: object) -> object:
    if value is None:
        return ""
    return to_printable_json(value) if isinstance(value, (bool, dict, list)) else value


def _table_cells(entry: wxcv.JournalEntry) -> tuple[str, ...]:
    endpoint = _endpoints_by_path().get(entry.endpoint)
    name = entry.endpoint if endpoint is None else endpoint.name
    if entry.error is not None:
        text = str(entry.error.get("message", ""))
    else:
        text = "" if entry.answer is None else _shorten(_describe(endpoint, entry.answer))
    cells = map(printable, (entry.status, name, str(entry.sends), text))
    status, name, sends, text = cells
    return status, name, sends, display_name(entry.image), text


@cache
def _endpoints_by_path() -> dict[str, wxcv.Endpoint[Any]]:
    return {endpoint.path: endpoint for endpoint in public_endpoints().values()}


def _describe(endpoint: wxcv.Endpoint[Any] | None, answer: object) -> str:
    """Return the rows of an answer as one text, or its JSON if its endpoint cannot read it."""
    try:
        rows = list(endpoint.table(endpoint.read(answer))) if endpoint else None  # type: ignore[arg-type] # JSON
    except Exception:  # noqa: BLE001 - what another version recorded may be anything
        rows = None
    if rows is None:
        return to_printable_json(answer)
    return "; ".join(f"{label} {text}" for label, text in rows) or "(none found)"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_ANSWER else f"{text[: _LONGEST_ANSWER - 3]}..."
