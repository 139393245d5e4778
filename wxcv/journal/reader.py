"""JournalReader: reads the journals of this and other processes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from wxcv.errors import JournalError
from wxcv.journal import statements
from wxcv.journal.files import KIND, NO_JOURNAL, describe, is_damaged, require_journal, resolve
from wxcv.journal.statements import show_name
from wxcv.journal.stored_errors import parse_error
from wxcv.stores import sqlite_files
from wxcv.values import Value

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

_PAGE = 500
"""Entries that are read at a time; between two pages, a run that writes can empty its log."""

_NOT_WRITABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


@attrs.frozen(repr=False, kw_only=True)
class JournalEntry(Value):
    """What a journal has about one image at one endpoint.

    Attributes:
        image: its path, its URL, or its name if it was given as bytes. A path that is not UTF-8 has surrogate
            escapes, as with ``os.fsdecode``.
        kind: how it was given: "path", "url" or "bytes".
        label: a short, printable name.
        size: its size in bytes; None for a URL, or if it was not read.
        digest: the SHA-256 of its bytes as hexadecimal digits; None for a URL, or if it was not read.
        account: the appid of the account.
        endpoint: the path of the endpoint.
        fields: the extra fields of the call.
        fit: whether the session was one with ``fit=True``, which makes large images smaller.
        status: "ok", "failed", "not_sent" or "unknown". What is being sent is "unknown".
        answer: the answer as WeChat's JSON object; None if there is none, or if it was not kept.
        error: ``type``, ``message`` and the attributes of the error; None if there was an answer.
        sends: how many times it was sent, in full or in part, over all runs.
        source: whose answer it is, "wechat" or the name of an answer source; None if there is no answer.
        ended_at: when it had its outcome, in UTC; None while it is being sent.
    """

    image: str
    kind: Literal["path", "url", "bytes"]
    label: str
    size: int | None
    digest: str | None
    account: str
    endpoint: str
    fields: dict[str, str]
    fit: bool
    status: Literal["ok", "failed", "not_sent", "unknown"]
    answer: Any = attrs.field(repr=False)
    error: dict[str, Any] | None
    sends: int
    source: str | None
    ended_at: datetime | None


class JournalReader:
    """Reads a journal, even while a run writes to it, or a copy of one in a read-only folder.

    Use it as ``with JournalReader(path) as reader``, in one thread. It changes nothing.

    Args:
        path: the path of the journal.

    Attributes:
        warning: once it is open, which entries it cannot read, and how to read them; None if it reads all.

    Raises:
        JournalError: on ``with``, if the file is missing, damaged, or not a journal.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self.warning: str | None = None

    def __enter__(self) -> Self:
        self.warning = None
        try:
            self._connection = self._open(resolve(self._path))
        except (sqlite_files.UnusableFileError, sqlite3.Error, OSError, ValueError) as error:
            message = describe(self._path, error)
        else:
            return self
        raise JournalError(message)

    def __exit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def entries(self, *, status: str | None = None, endpoint: str | None = None) -> Iterator[JournalEntry]:
        """Yield the entries, reading them as they are consumed: by account and endpoint, then by name.

        An entry that is recorded meanwhile may be among them or not.

        Args:
            status: yield only entries with this status: "ok", "failed", "not_sent" or "unknown".
            endpoint: yield only entries of the endpoint with this path.

        Raises:
            JournalError: the file cannot be read, or the reader is not open.
        """
        if self._connection is None:
            raise JournalError("the journal's reader is not open; use it in a with block")
        try:
            for row in statements.iterate(self._connection, status, endpoint, _PAGE):
                yield _make_entry(*row)
        except sqlite3.Error as error:
            message = describe(self._path, error)
        else:
            return
        raise JournalError(message)

    def _open(self, path: Path) -> sqlite3.Connection:
        if not path.exists():
            raise sqlite_files.UnusableFileError("does not exist; check the path")
        sqlite_files.require_file(path)
        require_journal(path)
        # Without a log, a read-only connection makes one and leaves it behind. With one, a writable
        # connection may apply and delete it.
        mode = "ro" if sqlite_files.find_log(path).exists() else "rw"
        try:
            return self._connect(path, self._find_damage, mode=mode)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
        unapplied = sqlite_files.find_unapplied(path)
        if unapplied is None:
            return self._connect(path, self._find_damage, mode="ro", immutable="1")
        self.warning = (
            f"the newest entries are in {unapplied.name}, which cannot be read in a read-only folder; "
            "copy both files to another one"
        )
        return self._connect(path, partial(_require_readable, unapplied), mode="ro", immutable="1")

    def _connect(
        self, path: Path, check: Callable[[sqlite3.Connection, Path], None], **flags: str
    ) -> sqlite3.Connection:
        """Return a connection that has passed the check; close it if it has not."""
        connection = sqlite_files.connect(path, **flags)
        try:
            connection.execute("PRAGMA query_only=ON")
            check(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _find_damage(self, connection: sqlite3.Connection, path: Path) -> None:
        if not sqlite_files.is_ours(connection, KIND):  # the process that made it was killed
            raise sqlite_files.UnusableFileError(NO_JOURNAL)
        if is_damaged(connection, path):
            self.warning = f"the file is damaged, and entries may be missing; {KIND.damage_remedy}"


def _require_readable(unapplied: Path, connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not whole without what was not applied to it: it need not be damaged."""
    try:
        is_readable = not is_damaged(connection, path)
    except sqlite3.DatabaseError:
        is_readable = False
    if not is_readable:
        raise sqlite_files.UnusableFileError(
            f"cannot be read without {unapplied.name}, for which the folder must be writable; "
            "copy both files to another one"
        )


def _make_entry(*row: Any) -> JournalEntry:  # noqa: ANN401 - the columns
    kind, name, label, size, image_id, account, endpoint, fields, fit, *rest = row
    status, answer, error, sends, source, ended_at = rest
    digest = image_id.removeprefix("sha256:").partition(";")[0] if image_id.startswith("sha256:") else None
    return JournalEntry(
        image=show_name(kind, name, label),
        kind=kind,
        label=label,
        size=size,
        digest=digest,
        account=account,
        endpoint=endpoint,
        fields=_parse(fields) or {},
        fit=bool(fit),
        status=status,
        answer=_parse(answer),
        error=None if error is None else _show_error(error),
        sends=sends,
        source=source,
        ended_at=None if ended_at is None else datetime.fromtimestamp(ended_at, UTC),
    )


def _parse(text: str | None) -> Any:  # noqa: ANN401 - what JSON has
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _show_error(text: str) -> dict[str, Any]:
    stored = parse_error(text)
    message = stored["args"][0] if stored["args"] else ""
    return {"type": stored["type"], "message": message, **stored["attributes"]}
