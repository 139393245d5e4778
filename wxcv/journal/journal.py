"""Journal: what became of every image of bulk runs, in a file that survives crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.journal import statements
from wxcv.journal.core import AfterCommit, JournalCore
from wxcv.journal.files import JournalFile, compact
from wxcv.journal.runs import JournalRun
from wxcv.journal.settings import Settings
from wxcv.journal.statements import CallGroup, Forgotten, dump_fields
from wxcv.masking import short_name

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Mapping
    from types import TracebackType

    from wxcv.clock import Clock
    from wxcv.endpoints.base import Endpoint

_RETRIES = ("failed", "unknown")


_GRACE, _GRACE_WHEN_CANCELLED = 10.0, 1.0  # seconds


class Journal:
    """Records what becomes of every image of a batch, in an SQLite file; see ``Session.batch(journal=...)``.

    Every outcome of such a batch is written durably to the file before the batch yields it. If the process is
    killed, at any moment, a batch of the same images resumes: an image that has an answer is not sent again,
    and its outcome comes from the journal (``source="journal"``, ``sends=0``). At most ``concurrency``
    images, those that were being sent when the process was killed, are sent twice; with
    ``RetryPolicy(at_most_once=True)`` none is, and they are "unknown".

    Two images are the same if they have the same bytes (by SHA-256) or the same URL, for the same account,
    endpoint, fields and ``fit``: they share one call, and each has an outcome. A file whose size and times
    are as recorded is not even read; a file that was changed is another image. A change that leaves
    size and times as they are, as a write to a shared memory map can, is noticed with ``checksum=True`` only.

    Args:
        path: the path of the file, in a directory that exists. It is created if it is missing. Only its owner
            can read it (mode 0600), as it holds answers, and URLs with their queries. While it is open there
            are three more files beside it (``-wal``, ``-shm`` and ``.lock``).
        answers: whether answers are kept. If not, an outcome from the journal has ``answer=None``.
        checksum: whether every file is read to compare its bytes, even if its size and times are as recorded.
        max_age: seconds, at most 10 ** 9, after which a URL that has an answer is sent again; None for never.
        retry: which outcomes of earlier batches are tried again: "failed", "unknown", or both. Images that
            were not sent, that wxcv itself refused, or that got an account-wide error are tried again always.
        clock: the source of the time of day; None uses the system's clock.

    ``async with`` opens the file, and closes it at the end. One journal may be used for any number of batches
    of any endpoint and account, by one process and one event loop at a time: while it is open, a second
    Journal on the same file raises JournalError when it is opened. A closed journal cannot be opened again. A
    journal that was never closed does not keep the process from ending, and loses nothing.

    A file that cannot be used raises JournalError: one that is damaged, of another program, on a network file
    system, read-only, or on a full disk. The message has the cause and the remedy, the file is left as it
    is, and a batch sends nothing more and raises the error where its outcomes are consumed.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """

    def __init__(  # noqa: PLR0913 - the settings of a journal
        self,
        path: str | os.PathLike[str],
        *,
        answers: bool = True,
        checksum: bool = False,
        max_age: float | None = None,
        retry: Iterable[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self.path = checks.check_path(path)
        checks.check_optional("clock", clock, "Clock", "monotonic", "wall", "sleep")
        settings = Settings(
            answers=checks.check_bool("answers", answers),
            checksum=checks.check_bool("checksum", checksum),
            max_age=None if max_age is None else checks.check_seconds("max_age", max_age),
            retry=_check_retry(retry),
            clock=clock or SystemClock(),
        )
        self._core = JournalCore(JournalFile(self.path), settings)

    def __repr__(self) -> str:
        return f"<Journal {short_name(self.path)}>"

    async def __aenter__(self) -> Self:
        try:
            await self._core.write(_do_nothing)
        except BaseException:
            await self._core.aclose(0.0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_cancelled = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
        await self.aclose(_GRACE_WHEN_CANCELLED if is_cancelled else _GRACE)

    async def aclose(self, grace: float = _GRACE) -> None:
        """Record the results of images that are being sent, close the file and unlock it.

        It may be called again. Nothing more is sent. Leaving an ``async with`` block calls it with the
        default grace, or with 1 s if the block was cancelled or interrupted.

        Args:
            grace: seconds to wait for the results of images that are being sent; what has none by then counts
                as killed.
        """
        await self._core.aclose(grace)

    async def forget(self, pattern: str) -> Forgotten:
        """Delete images, their outcomes and their answers from the file, so that no trace of them remains.

        The whole file is rewritten, for which the disk needs as much free space again. Images that are being
        sent meanwhile are recorded when they have their outcomes.

        Args:
            pattern: such as "*.jpg" or "/scans/2024/*", as for ``fnmatch.fnmatchcase``. It is compared with
                the absolute path, the URL or the name of every image, with the last part of that, and with
                its label: the path as it was given, or the URL without its query.

        Returns:
            How many images and results were deleted. An answer stays if another image has the same bytes.

        Raises:
            TypeError, ValueError: the pattern is not a str, is empty, or has unprintable characters.
            JournalError: the file cannot be written, or another process is reading it; in that case the
                images are deleted, and traces of them remain until it is called again.
        """
        checks.check_text("pattern", pattern)
        deleted: Forgotten = await self._core.write(partial(_forget, pattern))
        return deleted

    def start_run(  # noqa: PLR0913 - the settings of one batch
        self,
        endpoint: Endpoint[Any],
        *,
        account: str,
        fields: Mapping[str, str],
        fit: bool,
        local_files: bool,
        at_most_once: bool,
        concurrency: int,
    ) -> JournalRun:
        """Return the records of one batch; ``Session.batch`` calls this.

        Raises:
            ValueError: the account is "".
        """
        if not account:
            raise ValueError("a journal needs credential.account: pass the appid to the credential")
        return JournalRun(
            self._core,
            endpoint,
            CallGroup(account, endpoint.path, dump_fields(fields), int(fit)),
            local_files=local_files,
            at_most_once=at_most_once,
            concurrency=concurrency,
        )


def _do_nothing(_connection: sqlite3.Connection) -> None:
    """Let the file be opened."""


def _forget(pattern: str, connection: sqlite3.Connection) -> AfterCommit:
    deleted = statements.forget(connection, pattern)

    def finish(connection: sqlite3.Connection) -> Forgotten:
        compact(connection)
        return deleted

    return AfterCommit(finish)


def _check_retry(retry: object) -> frozenset[str]:
    statuses: list[Any] = (
        list(retry) if isinstance(retry, Iterable) and not isinstance(retry, str) else [None]
    )
    if not all(status in _RETRIES for status in statuses):
        raise ValueError('retry must be a list or a set of "failed" or "unknown", or both')
    return frozenset(statuses)
