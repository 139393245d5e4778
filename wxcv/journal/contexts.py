"""RunContext: what the records of one batch share."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from wxcv.errors import JournalError
from wxcv.journal import statements
from wxcv.journal.statements import CallKey

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from wxcv.endpoints.base import Endpoint
    from wxcv.journal.core import JournalCore
    from wxcv.journal.statements import CallGroup
    from wxcv.journal.threads import Work


class RunContext:
    """What the records of one batch share.

    Args:
        core: the journal's threads.
        endpoint: the endpoint of the batch.
        group: what its calls have in common.
        local_files: whether files may be looked at; see Session.
        at_most_once: whether an image that may have been sent is never sent again.
        concurrency: how many images may be sent at the same time.

    Attributes:
        started_at: the Unix time at which the batch began; what was recorded later belongs to it.
    """

    def __init__(  # noqa: PLR0913 - the settings of one batch
        self,
        core: JournalCore,
        endpoint: Endpoint[Any],
        group: CallGroup,
        *,
        local_files: bool,
        at_most_once: bool,
        concurrency: int,
    ) -> None:
        self.core = core
        self.endpoint = endpoint
        self.group = group
        self.local_files = local_files
        self.at_most_once = at_most_once
        self.started_at = core.settings.clock.wall()
        self._concurrency = concurrency
        self._has_calls: bool | None = None

    @property
    def may_have_calls(self) -> bool:
        """Whether the journal may have calls of this account, endpoint, fields and ``fit``."""
        return self._has_calls is not False

    def make_key(self, image_id: str) -> CallKey:
        """Return the key of the call of an image, by what identifies the image."""
        return CallKey(*self.group, image_id)

    async def read(self, work: Work) -> Any:  # noqa: ANN401 - what work returns
        """Return what ``work(connection)`` returns; see JournalCore."""
        with self._adding_recorded_state():
            return await self.core.read(partial(self._read_first, work) if self._has_calls is None else work)

    async def write(self, work: Work) -> Any:  # noqa: ANN401 - what work returns
        """Return what ``work(connection)`` returned, once it is durable; see JournalCore."""
        with self._adding_recorded_state():
            result = await self.core.write(work)
        self._has_calls = True
        return result

    def require_writable(self) -> None:
        """Raise JournalError if nothing can be recorded any more."""
        with self._adding_recorded_state():
            self.core.require_writable()

    def _read_first(self, work: Work, connection: sqlite3.Connection) -> Any:  # noqa: ANN401 - what work returns
        """Do the first read of this batch, and find out whether there are any calls of its group."""
        self._has_calls = self._has_calls or statements.has_calls(connection, self.group)
        return work(connection)

    @contextmanager
    def _adding_recorded_state(self) -> Iterator[None]:
        """After a write has failed, say in every JournalError what is recorded."""
        try:
            yield
        except JournalError as error:
            message = str(error)
        else:
            return
        raise JournalError(message + self._describe_recorded() if self.core.failure else message)

    def _describe_recorded(self) -> str:
        if not self.core.is_whole:
            return "; outcomes that the batch yielded may be lost"
        images = "one image was" if self._concurrency == 1 else f"{self._concurrency} images were"
        return (
            f"; every outcome that the batch yielded is recorded, and at most {images} sent without a record"
        )
