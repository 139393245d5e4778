"""The lines of progress where standard error is not a terminal."""

from __future__ import annotations

from wxcv.cli.progress import LineFilter


def test_a_line_that_tells_nothing_new_is_printed_every_15_minutes() -> None:
    """What has changed is printed at once, and what has not, as during a wait, at most every 15 minutes."""
    lines = LineFilter()
    states = [(5, ""), (5, "waiting"), *[(5, "waiting")] * 180, (6, "")]
    printed = [number for number, state in enumerate(states) if lines.is_due(state, number * 10.0)]

    assert printed == [0, 1, 91, 181, 182]
