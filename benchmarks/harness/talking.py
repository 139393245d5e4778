"""A process of ours with which one talks in lines."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

from benchmarks.harness.core import BenchmarkError
from benchmarks.harness.runner import child_environment

if TYPE_CHECKING:
    from types import TracebackType


class Talking:
    """`python -m MODULE WORDS...`; use it as a context manager, whose end kills it."""

    def __init__(self, module: str, *words: str) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )

    def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def hear(self) -> str:
        """Return the next line of its stdout; fail if it ended instead."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise BenchmarkError(f"{self._module} ended with exit code {self._process.wait()}")
        return line.rstrip("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.__exit__(kind, error, trace)
