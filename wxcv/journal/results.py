"""What a journal keeps of a call's result, and which results are final."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.errors import AnswerLostError, ImageError
from wxcv.journal.statements import SENDING, CallRow
from wxcv.journal.stored_errors import dump_error, find_class, parse_error
from wxcv.masking import class_name

if TYPE_CHECKING:
    from wxcv.endpoints.base import Endpoint
    from wxcv.errors import WxcvError
    from wxcv.journal.settings import Settings

logger = logging.getLogger("wxcv")


class Result(NamedTuple):
    """The result of a call, as ``JournalRecord.save_call`` takes it."""

    status: str
    answer: Any
    error: WxcvError | None
    sends: int
    source: str | None


LOST = dump_error(AnswerLostError("the run ended before the answer was recorded"))
"""The error of a call whose image may have been sent and that has no result."""


def is_final(row: CallRow, settings: Settings, started_at: float, image_id: str) -> bool:
    """Return whether a recorded call is not made again.

    Args:
        row: what is recorded of it.
        settings: those of the journal.
        started_at: Unix time at which the run began.
        image_id: what identifies the image.
    """
    ended_at = row.ended_at or 0.0
    if row.status == "ok":
        is_old = settings.max_age is not None and settings.clock.wall() - ended_at > settings.max_age
        return not (is_old and image_id.startswith("url:"))
    if row.status in {SENDING, "not_sent"} or _is_own_refusal(row) or _is_account_wide(row):
        return False
    return row.status not in settings.retry or ended_at >= started_at


def merge(
    earlier: CallRow | None, result: Result, settings: Settings, began_at: float, started_at: float
) -> CallRow | None:
    """Return what is recorded of a call with a new result, or None if what is recorded stays.

    Args:
        earlier: what is recorded of it.
        result: the result.
        settings: those of the journal.
        began_at, started_at: Unix times at which the call and its run began.
    """
    now = settings.clock.wall()
    answer = dump_answer(result.answer) if settings.answers else None
    error = None if result.error is None else dump_error(result.error)
    row = CallRow(result.status, answer, error, result.sends, result.source, began_at, now)
    if earlier is None:
        return row
    is_of_this_run = (earlier.ended_at or 0.0) >= started_at
    is_worse = result.status != "ok" and earlier.status == "ok" and is_of_this_run
    if is_worse or (_is_free(row) and not _is_free(earlier)):
        return earlier._replace(sends=earlier.sends + result.sends) if result.sends else None
    return row._replace(sends=earlier.sends + result.sends)


def dump_answer(answer: Any) -> str | None:  # noqa: ANN401 - of any endpoint
    """Return an answer as WeChat's JSON; None if it is None or cannot be kept."""
    if answer is None:
        return None
    try:
        value = answer if isinstance(answer, dict) else answer.to_dict()
        text = json.dumps(value, ensure_ascii=False)
        return text if _is_encodable(text) else json.dumps(value)
    except Exception as error:  # noqa: BLE001 - a class of the caller's may raise anything
        logger.warning("an answer was not kept in the journal: %s", class_name(error))
        return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        return False
    return True


def load_answer(text: str | None, endpoint: Endpoint[Any]) -> Any:  # noqa: ANN401 - of any endpoint
    """Return the answer; None if it was not kept, or cannot be read back."""
    try:
        return None if text is None else endpoint.read(json.loads(text))
    except Exception as error:  # noqa: BLE001 - a reader of the caller's may raise anything
        logger.warning("an answer of %s in the journal cannot be read: %s", endpoint.name, class_name(error))
        return None


def _is_free(row: CallRow) -> bool:
    """Return whether a result cost no send: it never replaces one that did."""
    return row.status == "not_sent" or _is_own_refusal(row)


def _is_own_refusal(row: CallRow) -> bool:
    return row.status == "failed" and issubclass(find_class(parse_error(row.error)["type"]), ImageError)


def _is_account_wide(row: CallRow) -> bool:
    """Return whether the error says nothing about the image, such as that of a quota that was used up."""
    return row.status == "failed" and find_class(parse_error(row.error)["type"]).account_wide
