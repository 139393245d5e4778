"""The tables of a journal, and the statements on them; each is part of the transaction of its caller."""

from __future__ import annotations

import json
import re
from collections import Counter
from fnmatch import translate
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from wxcv.journal.inputs import FileState, InputName

TABLES = (
    """
    CREATE TABLE inputs(
        kind TEXT NOT NULL, name BLOB NOT NULL, label TEXT NOT NULL,
        size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, file_id TEXT,
        image TEXT NOT NULL, recorded_at REAL NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX inputs_by_image ON inputs(image)",
    """
    CREATE TABLE calls(
        account TEXT NOT NULL, endpoint TEXT NOT NULL, fields TEXT NOT NULL, fit INTEGER NOT NULL,
        image TEXT NOT NULL, status TEXT NOT NULL, answer TEXT, error TEXT, sends INTEGER NOT NULL,
        source TEXT, started_at REAL NOT NULL, ended_at REAL,
        PRIMARY KEY (account, endpoint, fields, fit, image)
    ) WITHOUT ROWID
    """,
)

SENDING = "sending"
"""The status of a call whose image may have been sent and that has no result yet."""

_CALL = "account = ? AND endpoint = ? AND fields = ? AND fit = ? AND image = ?"
_INPUT = "kind = ? AND name = ?"

_ENTRIES = """
    SELECT kind, name, label, size, image, account, endpoint, fields, fit,
        CASE calls.status WHEN 'sending' THEN 'unknown' ELSE calls.status END AS shown_status,
        answer, error, sends, source, ended_at
    FROM inputs CROSS JOIN calls USING (image)
    WHERE account = ? AND endpoint = ? AND fields = ? AND fit = ? AND (kind, name) > (?, ?)
        AND (? IS NULL OR shown_status = ?)
    ORDER BY kind, name LIMIT ?
"""


class CallGroup(NamedTuple):
    """What the calls of one run have in common."""

    account: str
    endpoint: str
    fields: str
    fit: int


def dump_fields(fields: Mapping[str, str]) -> str:
    """Return the extra fields of a call as JSON; equal fields have the same text."""
    return json.dumps(dict(fields), sort_keys=True)


class CallKey(NamedTuple):
    """What identifies a call; ``image_id`` is in the column ``image``."""

    account: str
    endpoint: str
    fields: str
    fit: int
    image_id: str


class CallRow(NamedTuple):
    """What is recorded of a call."""

    status: str
    answer: str | None
    error: str | None
    sends: int
    source: str | None
    started_at: float
    ended_at: float | None


class InputRow(NamedTuple):
    """What is recorded of an image by its name; ``image_id`` is in the column ``image``."""

    image_id: str
    size: int | None
    mtime_ns: int | None
    ctime_ns: int | None
    file_id: str | None


def find_input(connection: sqlite3.Connection, name: InputName) -> InputRow | None:
    """Return what is recorded of a name."""
    query = f"SELECT image, size, mtime_ns, ctime_ns, file_id FROM inputs WHERE {_INPUT}"  # noqa: S608 - ours
    row = connection.execute(query, (name.kind, name.name)).fetchone()
    return None if row is None else InputRow(*row)


def save_input(  # noqa: PLR0913, PLR0917 - the columns
    connection: sqlite3.Connection,
    name: InputName,
    image_id: str,
    size: int | None,
    state: FileState | None,
    now: float,
) -> None:
    """Record which image has a name; without a state, its file is read again next time."""
    times = (None, None, None) if state is None else state[1:]
    connection.execute(
        "INSERT OR REPLACE INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (name.kind, name.name, name.label, size, *times, image_id, now),
    )


def find_call(connection: sqlite3.Connection, key: CallKey) -> CallRow | None:
    """Return what is recorded of a call."""
    columns = ", ".join(CallRow._fields)
    row = connection.execute(f"SELECT {columns} FROM calls WHERE {_CALL}", key).fetchone()  # noqa: S608 - ours
    return None if row is None else CallRow(*row)


def has_calls(connection: sqlite3.Connection, group: CallGroup) -> bool:
    """Return whether there is any call of the group."""
    query = f"SELECT 1 FROM calls WHERE {_CALL.removesuffix(' AND image = ?')} LIMIT 1"  # noqa: S608 - ours
    return connection.execute(query, group).fetchone() is not None


def put_call(connection: sqlite3.Connection, key: CallKey, row: CallRow) -> None:
    """Record a call, in place of what was recorded of it."""
    connection.execute(
        "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*key, *row)
    )


def delete_call(connection: sqlite3.Connection, key: CallKey) -> None:
    """Delete what is recorded of a call."""
    connection.execute(f"DELETE FROM calls WHERE {_CALL}", key)  # noqa: S608 - ours


def mark_lost(connection: sqlite3.Connection, error: str, now: float) -> None:
    """Record as unknown, with this error, the calls that were running when an earlier run was killed."""
    connection.execute(
        "UPDATE calls SET status = 'unknown', answer = NULL, error = ?, source = NULL, ended_at = ? "
        "WHERE status = ?",
        (error, now, SENDING),
    )


class Forgotten(NamedTuple):
    """How much ``Journal.forget`` deleted.

    Attributes:
        images: the number of images, by their names.
        results: the number of entries that a JournalReader had of them.
    """

    images: int
    results: int


def forget(connection: sqlite3.Connection, pattern: str) -> Forgotten:
    """Delete the inputs whose names match and the calls of which no input is left."""
    matches = re.compile(translate(pattern)).match
    found, inputs_of = [], Counter[str]()
    for kind, name, label, image in connection.execute("SELECT kind, name, label, image FROM inputs"):
        if any(map(matches, _shown_names(kind, name, label))):
            found.append((kind, name))
            inputs_of[image] += 1
    results = sum(inputs_of[image] for (image,) in connection.execute("SELECT image FROM calls"))
    connection.executemany(f"DELETE FROM inputs WHERE {_INPUT}", found)  # noqa: S608 - ours
    connection.execute("DELETE FROM calls WHERE image NOT IN (SELECT image FROM inputs)")
    return Forgotten(len(found), results)


def show_name(kind: str, name: bytes, label: str) -> str:
    """Return the name of an image as people see it: its path, its URL, or its label."""
    return label if kind == "bytes" else name.decode(errors="surrogateescape")


def _shown_names(kind: str, name: bytes, label: str) -> tuple[str, str, str]:
    shown = show_name(kind, name, label)
    return shown, re.split(r"[\\/]", shown.rstrip("/"))[-1], label


def iterate(
    connection: sqlite3.Connection, status: str | None, endpoint: str | None, page: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of a JournalEntry, by group and by name, reading a page of rows at a time."""
    group: tuple[Any, ...] = ("", "", "", -1)
    while (found := _next_group(connection, group)) is not None:
        group, last_name = found, ("", b"")
        while endpoint in {None, group[1]}:
            rows = connection.execute(_ENTRIES, (*group, *last_name, status, status, page)).fetchall()
            if not rows:
                break
            yield from rows
            last_name = rows[-1][:2]


def _next_group(connection: sqlite3.Connection, group: tuple[Any, ...]) -> tuple[Any, ...] | None:
    query = (
        "SELECT account, endpoint, fields, fit FROM calls "
        "WHERE (account, endpoint, fields, fit) > (?, ?, ?, ?) "
        "ORDER BY account, endpoint, fields, fit LIMIT 1"
    )
    row: tuple[Any, ...] | None = connection.execute(query, group).fetchone()
    return row
