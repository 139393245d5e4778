"""Small programs that tests run in processes of their own."""

from __future__ import annotations

import subprocess
import sys


def run_program(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours
