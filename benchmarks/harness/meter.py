"""What the operating system accounts: CPU time and resident memory of this process."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Self

from benchmarks.harness.core import MissingError

_STATUS = Path("/proc/self/status")
_KIB = 1024
MB = 1_000_000


def cpu_seconds() -> float:
    """Return user and system time of all threads so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """Measures a `with` block: seconds of CPU (user and system) and of the clock."""

    cpu = 0.0
    wall = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = cpu_seconds() - self._cpu, time.perf_counter() - self._wall

    def per_call(self, calls: int) -> dict[str, float]:
        """Return microseconds for each call."""
        return {"cpu_us": self.cpu / calls * 1e6, "wall_us": self.wall / calls * 1e6}


def require_memory() -> None:
    """Raise MissingError where the system does not tell a process its memory."""
    if not _STATUS.exists():
        raise MissingError("needs /proc/self/status")


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * _KIB


def resident() -> int:
    """Return the bytes that are resident now."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most bytes that were ever resident."""
    return _status("VmHWM")
