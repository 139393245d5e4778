"""Small programs that tests run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys


def run_program(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in which every warning is an error."""
    return _run(program, words, dict(os.environ))


def run_unmeasured(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may not write files, and so cannot save what was covered of the code."""
    return _run(program, words, without_coverage(dict(os.environ)))


def without_coverage(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment in which coverage does not measure the process."""
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_PROCESS")}


def _run(
    program: str, words: tuple[str, ...], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", program, *words]
    return subprocess.run(  # noqa: S603 - ours
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
