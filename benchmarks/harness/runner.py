"""Runs cases: each in a fresh process, round after round, and on one core where the system allows.

`python -m benchmarks.harness.runner` is that process: it reads a case as JSON from stdin, and prints numbers
as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.harness.core import BenchmarkError, Case, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECONDS = 300  # for one process


def cores() -> list[int]:
    """Return the cores that this process may use, or none if the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(core: int | None) -> None:
    """Stay on one core, if there is one to choose."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def core_of_measured() -> int | None:
    """Return the core of the processes that are measured."""
    return next(iter(cores()), None)


def core_of_answerer() -> int | None:
    """Return another core than that of the measured process, if there are two."""
    return next(iter(cores()[1:]), None)


def child_environment(**variables: str) -> dict[str, str]:
    """Return this environment without proxies, as all traffic stays on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, **variables}


def rounds_of(cases: Sequence[Case], rounds: int) -> list[Row]:
    """Run all cases in every round, every other round backwards, and return a row for each."""
    rows = [Row(case.group, case.who) for case in cases]
    pairs = list(zip(cases, rows, strict=True))
    for number in range(rounds):
        for case, row in pairs if number % 2 == 0 else reversed(pairs):
            row.add(run_case(case))
    return rows


def run_case(case: Case) -> dict[str, float]:
    """Run a case once, in a fresh process.

    Raises:
        BenchmarkError: it failed; with what it printed.
    """
    task = {
        "work": f"{case.work.__module__}:{case.work.__qualname__}",
        "arguments": case.arguments,
        "loop": case.loop,
        "core": core_of_measured() if case.is_pinned else None,
    }
    name = " ".join(filter(None, (case.work.__module__, case.group, case.who)))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.harness.runner"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=child_environment(**case.environment),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{name} did not end within {_SECONDS} s") from None
    if done.returncode:
        raise BenchmarkError(f"{name} failed:\n{done.stderr.strip()}")
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def _result(work: Callable[..., Any], arguments: dict[str, Any], loop: str) -> object:
    if not inspect.iscoroutinefunction(work):
        return work(**arguments)
    factory = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work(**arguments))


def main() -> None:
    """Be the process of one case."""
    task = json.load(sys.stdin)
    pin(task["core"])
    module, _, name = task["work"].partition(":")
    work = getattr(importlib.import_module(module), name)
    print(json.dumps(_result(work, task["arguments"], task["loop"])))


if __name__ == "__main__":
    main()
