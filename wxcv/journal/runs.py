"""JournalRun: one batch on one journal."""

from __future__ import annotations

from functools import partial

from wxcv.journal import inputs
from wxcv.journal.contexts import RunContext
from wxcv.journal.records import JournalRecord


class JournalRun(RunContext):
    """One batch on one journal."""

    async def look_up(self, image: object) -> JournalRecord:
        """Return the record of an image; that of a path or URL has what the journal knows of it.

        Raises:
            JournalError: the journal cannot be used.
        """
        record = JournalRecord(self, image)
        kind, given = inputs.find_given_name(image)
        if kind:
            await self.read(partial(record.look_up, kind, given))
        return record
