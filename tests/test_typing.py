"""What type checkers find."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from support.places import TESTS

if TYPE_CHECKING:
    from pathlib import Path

MISTAKES = TESTS / "typing" / "mistakes.py"


def test_a_type_checker_finds_every_mistake(tmp_path: Path) -> None:
    """mypy in strict mode reports each of twelve seeded mistakes, and nothing else."""
    lines = MISTAKES.read_text(encoding="utf-8").splitlines()
    seeded = [number for number, line in enumerate(lines, 1) if re.search(r"# mistake \d+$", line)]
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(MISTAKES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603 - our own
    found = [int(number) for number in re.findall(r"mistakes\.py:(\d+): error:", done.stdout)]

    assert found == seeded
    assert len(seeded) == 12
