"""What benchmarks are made of: cases that run in processes of their own, rows of numbers, goals, reports."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

CONCURRENCY = 64
"""Calls at a time, of wxcv and of every baseline, where a benchmark does not say otherwise."""


class BenchmarkError(Exception):
    """A benchmark got a wrong answer, or none."""


class MissingError(Exception):
    """A benchmark cannot run here; says what it needs."""


def require(*, is_true: bool, otherwise: str) -> None:
    """Fail loudly."""
    if not is_true:
        raise BenchmarkError(otherwise)


def require_modules(*modules: str) -> None:
    """Raise MissingError naming the modules that are not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingError(f"needs {', '.join(missing)}")


@dataclass(frozen=True)
class Settings:
    """What the command line asks for.

    Attributes:
        rounds: how often each case runs; None leaves it to the benchmark.
        is_quick: fewer rounds and calls: shows that it works, not how fast.
    """

    rounds: int | None = None
    is_quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """Return one of the two."""
        return quick if self.is_quick else full

    def rounds_or(self, full: int, quick: int = 1) -> int:
        """Return the rounds asked for, else the benchmark's own."""
        return self.rounds or self.pick(full, quick)


@dataclass(frozen=True)
class Case:
    """One thing to measure: a function that runs in a fresh process and returns numbers by name.

    Attributes:
        who: who does it, such as "wxcv".
        work: a function of a module, sync or async; it runs in the process of its own.
        arguments: its keywords; JSON.
        group: what is done, such as "20 KB".
        loop: which event loop an async function gets.
        is_pinned: run on one core, away from the answerer.
        environment: variables of the process.
    """

    who: str
    work: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    is_pinned: bool = True
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Row:
    """What came of a case: for each name a number from every round."""

    group: str
    who: str
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, numbers: dict[str, float]) -> None:
        """Note the numbers of one round."""
        for name, number in numbers.items():
            self.numbers.setdefault(name, []).append(number)

    def median(self, name: str) -> float:
        """Return the median of all rounds."""
        return statistics.median(self.numbers[name])


@dataclass(frozen=True)
class Goal:
    """A number with what it must reach and what it aims for; lower is better, or higher."""

    what: str
    number: float
    must: float
    aim: float | None = None
    is_higher_better: bool = False

    @property
    def standing(self) -> str:
        """Say in words how it stands."""
        if self._reaches(self.must):
            return "aim reached" if self.aim is not None and self._reaches(self.aim) else "reached"
        return "NOT REACHED"

    def _reaches(self, bound: float) -> bool:
        return self.number >= bound if self.is_higher_better else self.number <= bound


@dataclass
class Report:
    """A table: rows by group, the names of their numbers with units, and the baseline of ratios.

    Attributes:
        title: what was measured.
        columns: the names of the numbers to show, and their headings with units; the first one has a ratio.
        baseline: who is 1.00 in each group; "" for no ratios.
        rows: in the order in which they are shown.
        goals: what the numbers are held against.
        notes: what else there is to say.
    """

    title: str
    columns: dict[str, str]
    baseline: str
    rows: list[Row]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, group: str, who: str) -> Row | None:
        """Find a row."""
        return next((row for row in self.rows if (row.group, row.who) == (group, who)), None)

    def ratio(self, group: str, who: str, to: str, name: str | None = None) -> float | None:
        """Return the ratio of two medians, or None if one of the two was not measured."""
        row, base = self.row(group, who), self.row(group, to)
        name = name or next(iter(self.columns))
        if row is None or base is None or not base.numbers.get(name) or not base.median(name):
            return None
        return row.median(name) / base.median(name)

    def hold(self, what: str, number: float | None, must: float, aim: float | None = None) -> None:
        """Add a goal, lower being better, unless its number was not measured."""
        if number is not None:
            self.goals.append(Goal(what, number, must, aim))


def installed(modules: Sequence[str]) -> bool:
    """Tell whether all these modules can be imported."""
    return all(find_spec(module) is not None for module in modules)
