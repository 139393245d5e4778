"""`import`: what `import wxcv` costs beside `import aiohttp`, without which there is no call.

Measured: milliseconds of CPU and of the clock, and how many modules are new, in fresh interpreters with
bytecode at hand, whatever the environment says of it.
Baseline: `import aiohttp` (1.00). "wxcv, after aiohttp" is the same difference measured in one process, which
other work on the machine disturbs less.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from benchmarks.harness.core import BenchmarkError, Report, Row, Settings
from benchmarks.harness.runner import child_environment, core_of_measured

ROUNDS = 31
MUST, AIM = 15.0, 8.0

# Modules that are imported first, and the one that is measured.
CASES = {"aiohttp": ("", "aiohttp"), "wxcv": ("", "wxcv"), "wxcv, after aiohttp": ("aiohttp", "wxcv")}
COLUMNS = {"cpu_ms": "CPU, ms", "ms": "clock, ms", "modules": "modules"}

_SCRIPT = """
import os, sys, time
core, before, name = sys.argv[1:]
if core:
    os.sched_setaffinity(0, {int(core)})
if before:
    __import__(before)
modules, cpu, wall = len(sys.modules), time.process_time(), time.perf_counter()
__import__(name)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print([cpu * 1000, wall * 1000, len(sys.modules) - modules])
"""


def _measure(before: str, name: str, bytecode: str) -> dict[str, float]:
    core = core_of_measured()
    environment = child_environment(PYTHONPYCACHEPREFIX=bytecode)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, "" if core is None else str(core), before, name],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise BenchmarkError(f"import {name} failed:\n{done.stderr}")
    return dict(zip(COLUMNS, json.loads(done.stdout), strict=True))


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    rows = {who: Row("import", who) for who in CASES}
    with tempfile.TemporaryDirectory() as bytecode:
        for before, name in CASES.values():  # writes the bytecode
            _measure(before, name, bytecode)
        for _ in range(settings.rounds_or(ROUNDS, 5)):
            for who, (before, name) in CASES.items():
                rows[who].add(_measure(before, name, bytecode))
    report = Report("import, in fresh interpreters", COLUMNS, "aiohttp", list(rows.values()))
    difference = rows["wxcv"].median("cpu_ms") - rows["aiohttp"].median("cpu_ms")
    report.hold("wxcv over aiohttp, ms of CPU, difference of medians", difference, MUST, AIM)
    report.hold("the same in one process, ms of CPU", rows["wxcv, after aiohttp"].median("cpu_ms"), MUST, AIM)
    return [report]
