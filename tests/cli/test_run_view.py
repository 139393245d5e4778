"""How a bulk run looks: its rate and the time that is left."""

from __future__ import annotations

import time

import pytest

import wxcv
from wxcv.cli.names import Names
from wxcv.cli.run_view import RunView
from wxcv.cli.tally import Tally


def outcome(number: int, source: str) -> wxcv.Outcome[str, object]:
    """Return an answer from that source."""
    return wxcv.Answered(
        index=number, item="x", image="x", answer=None, sends=source == "wechat", elapsed=0.0, source=source
    )


@pytest.fixture
def view() -> RunView:
    """A run of 1000 s with 100 answers of WeChat's and 400 of the journal's; 100 images are left."""
    tally, names = Tally(), Names(iter(()))
    tally.started_at = time.monotonic() - 1000
    for number in range(500):
        tally.add(outcome(number, "wechat" if number < 100 else "journal"))
    names.found, names.is_complete = 600, True
    return RunView("scan_qrcode", tally, names)


def test_what_the_journal_knows_does_not_count_for_the_rate(view: RunView) -> None:
    """100 images of WeChat's in 1000 s are 0.1 images/s, however many the journal knew."""
    assert "0.1 images/s, 0:16:40 left" in view.line()


def test_limits_shorten_the_time_that_is_left(view: RunView) -> None:
    """If the limits allow ten more images, the time left is theirs; if none, there is none."""
    view.most_left = lambda: 10
    assert "0:01:40 left" in view.line()

    view.most_left = lambda: 0
    assert "left" not in view.line()


def test_a_run_that_has_ended_has_neither_rate_nor_time(view: RunView) -> None:
    """At the end only what is left of the quota is shown besides the counts."""
    view.quota = lambda: "quota left 5"
    view.is_ended = True

    assert view.line() == "500/600 done: 500 ok (400 without a call); quota left 5"
