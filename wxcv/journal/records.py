"""JournalRecord: one image in one batch."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wxcv.errors import WxcvError
from wxcv.images.sources import ImageUrl
from wxcv.journal import inputs, results, statements
from wxcv.journal.statements import SENDING, CallKey, CallRow
from wxcv.journal.stored_errors import load_error

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Hashable

    from wxcv.images.loading import LoadedImage
    from wxcv.journal.contexts import RunContext
    from wxcv.journal.inputs import FileState, InputName

_HASHED_IN_LOOP = 64 * 1024
"""Bytes up to which an image is hashed in the event loop; that takes less than a quarter of a millisecond."""


class KnownCall(NamedTuple):
    """The result of an earlier call.

    Attributes:
        status: "ok", "failed" or "unknown".
        answer: the endpoint's answer; None if there is none, or if it was not kept.
        error: the error, as that of this image; None if there was an answer.
    """

    status: Literal["ok", "failed", "unknown"]
    answer: Any
    error: WxcvError | None


class JournalRecord:
    """One image in one batch.

    Args:
        run: the batch.
        image: as the caller gave it; it is not held.

    Attributes:
        known: the result of an earlier call, so that none is needed; or None.
        is_saved: whether ``save_call`` has succeeded.
    """

    def __init__(self, run: RunContext, image: object) -> None:
        self._run = run
        self._content_type = inputs.given_type(image)
        self._name: InputName | None = None
        self._state: FileState | None = None  # of the file before it was read, if a later change would show
        self._size: int | None = None
        self._image_id = ""  # what identifies the image, once it has been read
        self._recorded_id = ""  # what identified it when its name was recorded
        self._began_at = 0.0
        self._replaced: CallRow | None = None  # what was recorded before the intent
        self._label = ""
        self._has_intent = self._is_sending = False
        self.known: KnownCall | None = None
        self.is_saved = False

    @property
    def key(self) -> Hashable:
        """Equal for equal calls of this journal, once ``find`` has been called."""
        return self._run.make_key(self._image_id) if self._image_id else id(self)

    @property
    def may_be_known(self) -> bool:
        """Whether it is worth reading an image that will not be sent, as ``find`` may know it."""
        may_be_unchanged = self._recorded_id.startswith("sha256:")
        return self._run.may_have_calls and (self._name is None or may_be_unchanged)

    def look_up(self, kind: str, given: str, connection: sqlite3.Connection) -> None:
        """Find the image by its name, in the journal's thread."""
        self._name = inputs.name_input(kind, given, local_files=self._run.local_files)
        if self._name is None:
            return
        now = self._run.core.settings.clock.wall()
        state = inputs.read_state(self._name)
        row = statements.find_input(connection, self._name)
        if state is not None and inputs.is_settled(state, now):
            self._state = state
        if row is None:
            return
        self._recorded_id = row.image_id
        is_same = kind == inputs.URL or (state is not None and state == row[1:])
        if is_same and not self._run.core.settings.checksum:
            self.known = self._find_known(connection, row.image_id, self._name.label)

    async def find(self, image: LoadedImage) -> KnownCall | None:
        """Return the result of an earlier call of the same content, or None.

        Raises:
            JournalError: the journal cannot be read.
        """
        await self._identify(image)
        self._label = image.name
        if self._name is None:
            self._name = inputs.name_content(self._image_id, self._label)
        return await self._find()

    async def _find(self) -> KnownCall | None:
        find = partial(self._find_known, image_id=self._image_id, label=self._label)
        self.known = await self._run.core.pending_reads.read_again_if_saved(
            self.key, partial(self._run.read, find)
        )
        return self.known

    async def begin(self) -> None:
        """Prepare for a send: with ``at_most_once``, the intent is durable when this returns.

        Raises:
            JournalError: the journal is closed or cannot be written; nothing may be sent.
        """
        self._run.require_writable()
        if not self._is_sending:
            await self._wait_for_others()
            self._run.core.active_sends.begin(self.key)
            self._is_sending = True
        self._began_at = self._run.core.settings.clock.wall()
        if self._run.at_most_once and self._image_id and not self._has_intent:
            self._has_intent = True  # it is written even if this is cancelled
            await self._run.write(self._write_intent)

    async def _wait_for_others(self) -> None:
        """Wait while another session sends the same image, and raise if the result is known then."""
        while await self._run.core.active_sends.wait_for_end(self.key):
            known = await self._find()
            if known is not None:
                raise known.error or WxcvError("the answer was recorded meanwhile")
        self._run.require_writable()

    def end(self) -> None:
        """Let others send the same image, as this send has ended; may be called again."""
        if self._is_sending:
            self._is_sending = False
            self._run.core.active_sends.end(self.key)

    async def withdraw(self) -> None:
        """Restore what was recorded before ``begin``, as nothing was sent.

        Raises:
            JournalError: the journal cannot be written; the call stays recorded as sending.
        """
        if self._has_intent:
            await self._run.write(self._restore)
            self._has_intent = False
        self.end()

    async def save_call(
        self,
        status: Literal["ok", "failed", "not_sent", "unknown"],
        answer: Any,  # noqa: ANN401 - of any endpoint
        error: WxcvError | None,
        sends: int,
        source: str | None,
    ) -> None:
        """Record a result; it is durable when this returns. An image without name or content is not recorded.

        Raises:
            JournalError: the journal cannot be written; the result may be recorded all the same.
        """
        work = partial(self._write_call, results.Result(status, answer, error, sends, source))
        try:
            await self._run.write(work)
        finally:
            self.end()
        self._has_intent = False
        self.is_saved = True
        self._run.core.pending_reads.notify_saved(self.key)

    async def save_input(self) -> None:
        """Record which content this image has; its call is recorded by another record of the same key.

        Raises:
            JournalError: the journal cannot be written.
        """
        if self._image_id:
            await self._run.write(self._write_input)

    async def _identify(self, image: LoadedImage) -> None:
        self._size = None if isinstance(image, ImageUrl) else len(image.data)
        if (self._size or 0) <= _HASHED_IN_LOOP:
            self._image_id = inputs.identify(image, self._content_type)
        else:
            self._image_id = await asyncio.to_thread(inputs.identify, image, self._content_type)

    def _find_known(self, connection: sqlite3.Connection, image_id: str, label: str) -> KnownCall | None:
        key = self._run.make_key(image_id)
        row = statements.find_call(connection, key)
        if row is not None and row.status == SENDING and key not in self._run.core.active_sends:
            row = row._replace(status="unknown", error=results.LOST)  # its batch was cancelled
        if row is None or not results.is_final(row, self._run.core.settings, self._run.started_at, image_id):
            return None
        if self.is_saved and row.status != "ok":  # this record's own result: the batch tries the image again
            return None
        if row.status == "ok":
            return KnownCall("ok", results.load_answer(row.answer, self._run.endpoint), None)
        status: Any = row.status
        return KnownCall(status, None, load_error(row.error, label))

    def _write_intent(self, connection: sqlite3.Connection) -> None:
        """Record that the image may be sent, and keep what was recorded of the call before."""
        key = self._run.make_key(self._image_id)
        earlier = self._replaced = statements.find_call(connection, key)
        sends = 0 if earlier is None else earlier.sends
        statements.put_call(connection, key, CallRow(SENDING, None, None, sends, None, self._began_at, None))
        self._write_input(connection)

    def _restore(self, connection: sqlite3.Connection) -> None:
        key = self._run.make_key(self._image_id)
        if self._replaced is None:
            statements.delete_call(connection, key)
        else:
            statements.put_call(connection, key, self._replaced)

    def _write_call(self, result: results.Result, connection: sqlite3.Connection) -> None:
        if self._has_intent:
            self._restore(connection)
        image_id = self._image_id or self._recorded_id or ("" if self._name is None else self._name.image_id)
        if not image_id:
            return
        key: CallKey = self._run.make_key(image_id)
        settings, started_at = self._run.core.settings, self._run.started_at
        began_at = self._began_at or settings.clock.wall()
        row = results.merge(statements.find_call(connection, key), result, settings, began_at, started_at)
        if row is not None:
            statements.put_call(connection, key, row)
        self._write_input(connection, image_id)

    def _write_input(self, connection: sqlite3.Connection, image_id: str = "") -> None:
        name, image_id = self._name, image_id or self._image_id
        if name is None:
            return
        if image_id == self._recorded_id and not self._image_id:
            return  # nothing new is known of it
        state = self._state if self._image_id else None
        statements.save_input(
            connection, name, image_id, self._size, state, self._run.core.settings.clock.wall()
        )
