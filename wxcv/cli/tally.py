"""Tally: counts the outcomes of a bulk run, and sums them up."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

import wxcv
from wxcv.cli import exits, output
from wxcv.cli.remedies import find_remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

STATUSES = {"ok": "ok", "failed": "failed", "not_sent": "not sent", "unknown": "unknown"}
_MOST_KINDS = 8
_LONGEST_TEXT = 160  # characters of an error


@attrs.define
class ErrorKind:
    """Errors with the same class and errcode.

    Attributes:
        text: what they have in common, or the first one's text.
        remedy: what to do about them, or "".
        count: how many there were.
    """

    text: str
    remedy: str
    count: int = 0

    @classmethod
    def of(cls, error: wxcv.WxcvError) -> ErrorKind:
        """Return the kind of an error."""
        text = describe(error)
        if not isinstance(error, wxcv.APIError):
            text = f"{type(error).__name__}, such as: {text}"
        return cls(text, find_remedy(error))


def describe(error: wxcv.WxcvError) -> str:
    """Return an error in a few words, on one line; of WeChat's errors without what differs for each image."""
    if isinstance(error, wxcv.APIError):
        text = f"errcode {error.errcode}: {error.meaning or error.errmsg}"
    else:
        text = output.reason_of(error)
    text = output.printable(text)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


class Tally:
    """Counts the outcomes of a bulk run.

    Attributes:
        counts: how many images have each status.
        done: how many images have an outcome.
        known: how many outcomes the journal had from earlier runs or other calls.
        without_call: how many answers were had without a send in this run.
        first_failed: the first image that failed, or None.
        last_error: the last image without an answer and its error, or None.
        interrupted: how many images had been sent when the run was ended, and have no outcome.
        exit_code: the highest exit code of all outcomes.
        started_at: when the run began, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.done = self.known = self.without_call = self.interrupted = 0
        self.first_failed: str | None = None
        self.last_error: tuple[str, wxcv.WxcvError] | None = None
        self.exit_code = exits.ALL_READ
        self.started_at = time.monotonic()
        self._kinds: dict[tuple[str, int | None], ErrorKind] = {}

    def add(self, outcome: wxcv.Outcome[str, Any]) -> None:
        """Count an outcome."""
        self.done += 1
        self.known += outcome.source == "journal"
        self.counts[outcome.status] += 1
        if outcome.status == "ok":
            self.without_call += not outcome.sends
            return
        error = outcome.error
        if outcome.status == "failed" and self.first_failed is None:
            self.first_failed = outcome.item
        self.last_error = outcome.item, error
        self.exit_code = max(self.exit_code, exits.code_of(outcome))
        key = type(error).__name__, getattr(error, "errcode", None)
        if key not in self._kinds:
            self._kinds[key] = ErrorKind.of(error)
        self._kinds[key].count += 1

    def add_call(self, event: wxcv.CallEvent) -> None:
        """Count a call that was cancelled after its image, or a part of it, was sent."""
        self.interrupted += event.status == "cancelled" and event.sends > 0

    def count_line(self) -> str:
        """Return the counts of the statuses that occurred, in words."""
        shown = [f"{self.counts[key]:,} {name}" for key, name in STATUSES.items() if self.counts[key]]
        if self.without_call:
            shown[0] += f" ({self.without_call:,} without a call)"
        return ", ".join(shown) or "none"

    def summary(self, journal: str) -> Iterator[str]:
        """Yield the lines of the summary: statuses, errors, and what to do about them.

        Args:
            journal: the path of the journal, which has all of them.
        """
        seconds = format_seconds(time.monotonic() - self.started_at)
        yield f"{output.count_of(self.done, 'image')} in {seconds}: {self.count_line()}"
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)
        for kind in kinds[:_MOST_KINDS]:
            yield f"  {kind.count:,} x {kind.text}"
        if others := kinds[_MOST_KINDS:]:
            yield f"  {sum(kind.count for kind in others):,} x other errors"
        if self.interrupted:
            yield output.describe_interrupted(self.interrupted, "being sent")
        if kinds and kinds[0].remedy:
            yield f"what to do about {'it' if len(kinds) == 1 else 'the first'}: {kinds[0].remedy}"
        if self.first_failed is not None:
            name = output.display_name(self.first_failed)
            yield f"the first that failed is {name}; see: wxcv results {shlex.quote(journal)} --status failed"


def format_seconds(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"
