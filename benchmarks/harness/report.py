"""Prints reports as Markdown tables, with the facts of the machine, and writes them as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.runner import cores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.harness.core import Goal, Report, Row

_PACKAGES = ("wxcv", "aiohttp", "uvloop", "httpx", "requests", "wechatpy")
_THOUSAND, _HUNDRED, _TEN, _ONE = 1000, 100, 10, 1


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def machine() -> dict[str, Any]:
    """Return the facts without which numbers say nothing."""
    return {
        "cpu": _cpu_model(),
        "cores": len(cores()) or os.cpu_count(),
        "pinned": len(cores()) > 1,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _version(package) for package in _PACKAGES},
    }


def shown(number: float) -> str:
    """Return three digits or more of a number."""
    size = abs(number)
    if size >= _THOUSAND:
        return f"{number:,.0f}"
    if number == int(number):
        return f"{number:.0f}"
    digits = 0 if size >= _HUNDRED else 1 if size >= _TEN else 2 if size >= _ONE else 3
    return f"{number:.{digits}f}"


def _cell(row: Row, name: str) -> str:
    values = row.numbers.get(name, [])
    if not values:
        return ""
    if min(values) == max(values):
        return shown(values[0])
    return f"{shown(row.median(name))} ({shown(min(values))}..{shown(max(values))})"


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[at]) for line in (heads, *lines)) for at in range(len(heads))]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(line, widths) for line in (heads, rule, *lines))


def _goal(goal: Goal) -> list[str]:
    sign = ">=" if goal.is_higher_better else "<="
    aim = "" if goal.aim is None else f"{sign} {shown(goal.aim)}"
    return [goal.what, shown(goal.number), f"{sign} {shown(goal.must)}", aim, goal.standing]


def as_text(report: Report) -> str:
    """Return the tables of a report: medians with their spread, ratios to the baseline, goals."""
    with_ratio = [f"x {report.baseline}"] if report.baseline else []
    heads = ["", "", *report.columns.values(), *with_ratio]
    lines = []
    for row in report.rows:
        ratio = report.ratio(row.group, row.who, report.baseline)
        cells = [row.group, row.who, *(_cell(row, name) for name in report.columns)]
        lines.append([*cells, *(["" if ratio is None else f"{ratio:.2f}"] if with_ratio else [])])
    parts = [f"### {report.title}", _table(heads, lines), *report.notes]
    if report.goals:
        goal_heads = ["shows", "is", "must", "aim", ""]
        parts.append(_table(goal_heads, [_goal(goal) for goal in report.goals]))
    return "\n\n".join(parts)


def as_json(report: Report) -> dict[str, Any]:
    """Return everything of a report, with the medians."""
    fields = asdict(report)
    for row, told in zip(report.rows, fields["rows"], strict=True):
        told["medians"] = {name: row.median(name) for name in row.numbers}
    for goal, told in zip(report.goals, fields["goals"], strict=True):
        told["standing"] = goal.standing
    return fields
