"""`parse`: from the bytes of an answer to the typed answer.

Measured: microseconds of CPU for answers of 1, 100 and 1,000 items, each with a text and four corners: wxcv's
`wire.read_answer` over a Response.
Baseline: `json.loads` of the same bytes alone (1.00).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import wxcv
from benchmarks.harness.core import Case, Report, Settings, require
from benchmarks.harness.meter import Meter
from benchmarks.harness.runner import rounds_of
from wxcv.protocol.answers import Response, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
ITEMS = (1, 100, 1000)
TOTAL = 100_000
"""Items that each round reads in all."""

MUST, AIM = 4.0, 3.0


def _item(number: int) -> dict[str, Any]:
    left, top = 20 + number % 7, 30 * number
    corners = {"left_top": (left, top), "right_top": (left + 400, top)}
    corners |= {"right_bottom": (left + 400, top + 24), "left_bottom": (left, top + 24)}
    pos = {name: {"x": x, "y": y} for name, (x, y) in corners.items()}
    return {"text": f"收件人 line {number} of a parcel label", "pos": pos}


def body(items: int) -> bytes:
    """Return an answer of WeChat's shape."""
    size = {"w": 1000, "h": 30 * items + 60}
    answer = {"errcode": 0, "errmsg": "ok", "items": [_item(at) for at in range(items)], "img_size": size}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def measure(who: str, items: int, total: int) -> dict[str, float]:
    """Read the same answer again and again."""
    response = Response(200, {"content-type": "application/json"}, body(items))
    read: Callable[[], Any] = lambda: json.loads(response.body)  # noqa: E731 - nothing but the call
    if who == "wxcv":
        read = lambda: read_answer(wxcv.PRINTED_TEXT, response, ("token",))  # noqa: E731
    _check(read(), items)
    calls = max(1, total // items)
    for _ in range(calls // 10):
        read()
    with Meter() as meter:
        for _ in range(calls):
            read()
    return {"cpu_us": meter.cpu / calls * 1e6}


def _check(answer: Any, items: int) -> None:  # noqa: ANN401 - a typed answer, or JSON
    told = answer.to_dict() if isinstance(answer, wxcv.PrintedText) else answer
    is_right = told["items"] == [_item(at) for at in range(items)]
    require(is_true=is_right, otherwise="the answer was read wrongly")


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    total = settings.pick(TOTAL, TOTAL // 5)
    cases = [
        Case(who, measure, {"who": who, "items": items, "total": total}, f"{items:,} item{'s' * (items > 1)}")
        for items in ITEMS
        for who in ("wxcv", "json.loads")
    ]
    rows = rounds_of(cases, settings.rounds_or(ROUNDS, 2))
    report = Report("bytes to typed answer", {"cpu_us": "CPU, us an answer"}, "json.loads", rows)
    report.hold("wxcv / json.loads, 100 items", report.ratio("100 items", "wxcv", "json.loads"), MUST, AIM)
    return [report]
