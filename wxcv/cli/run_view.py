"""RunView: how a bulk run looks, as a bar with numbers or as one line."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wxcv.cli.output import display_name
from wxcv.cli.tally import STATUSES, describe, format_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from wxcv.cli.names import Names
    from wxcv.cli.tally import Tally

_WINDOW = 30.0  # seconds over which the rate is measured
_STYLES = {"ok": "green", "failed": "red", "not_sent": "yellow", "unknown": "magenta"}


class RunView:
    """How a bulk run looks. It is rendered in a thread, and only reads what the run counts.

    Args:
        title: the name of the endpoint.
        tally: the counts.
        names: the images.

    Attributes:
        quota: returns what is left of the quota, in words, or "".
        most_left: returns how many more images the limits allow, or None if that is not known.
        pause: why the run takes no images, or "".
        is_ended: whether the run has ended.
    """

    def __init__(self, title: str, tally: Tally, names: Names) -> None:
        self.quota: Callable[[], str] = str
        self.most_left: Callable[[], int | None] = lambda: None
        self.pause = ""
        self.is_ended = False
        self._title = title
        self._tally = tally
        self._names = names
        self._samples: deque[tuple[float, int]] = deque([(tally.started_at, 0)])

    def render(self) -> RenderableType:
        """Return at most five lines, none of which is wrapped."""
        done, total, rate = self._tally.done, self._total(), self._measure_rate()
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        shown = f"{done:,}/{total:,} {done / total:4.0%}" if total else f"{done:,}"
        bar = ProgressBar(total=total, completed=done, pulse=not total)
        head.add_row(self._title, bar, shown)
        lines: list[RenderableType] = [head, self._render_counts(), _one_line(self._describe_speed(rate))]
        if self.pause:
            lines.append(_one_line(self.pause, "yellow"))
        if self._tally.last_error is not None:
            name, error = self._tally.last_error
            lines.append(_one_line(f"last error: {_short(display_name(name))}: {describe(error)}", "dim"))
        return Group(*lines)

    def line(self) -> str:
        """Return all numbers on one line."""
        total = self._total()
        parts = [f"{self._tally.done:,}{f'/{total:,}' if total else ''} done: {self._tally.count_line()}"]
        return "; ".join(filter(None, [*parts, self._describe_speed(self._measure_rate()), self.pause]))

    def state(self) -> tuple[int, str]:
        """Return what is new in a line when it differs: how many images are done, and the pause."""
        return self._tally.done, self.pause

    def _render_counts(self) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        for status, name in STATUSES.items():
            count = self._tally.counts[status]
            text.append(f"{name} {count:,}   ", style=_STYLES[status] if count else "dim")
        return text.append(f"without a call {self._tally.without_call:,}", style="dim")

    def _describe_speed(self, rate: float) -> str:
        parts = [] if self.is_ended else [f"{rate:,.1f} images/s", self._describe_time_left(rate)]
        return ", ".join(filter(None, [*parts, self.quota()]))

    def _describe_time_left(self, rate: float) -> str:
        total, most = self._total(), self.most_left()
        if total is None or not rate or self.pause:
            return ""
        images = total - self._tally.done
        images = images if most is None else min(images, most)
        return f"{format_seconds(images / rate)} left" if images > 0 else ""

    def _total(self) -> int | None:
        return self._names.found if self._names.is_complete else None

    def _measure_rate(self) -> float:
        """Return the images per second, without those that the journal knew."""
        now, samples, count = time.monotonic(), self._samples, self._tally.done - self._tally.known
        samples.append((now, count))
        while len(samples) > 2 and samples[1][0] < now - _WINDOW:  # noqa: PLR2004 - the newest and one before
            samples.popleft()
        began_at, before = samples[0]
        return (count - before) / (now - began_at) if now > began_at else 0.0


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _short(name: str) -> str:
    """Return the end of a long name, so that its error is seen too."""
    longest = 30
    return name if len(name) <= longest else "…" + name[1 - longest :]
