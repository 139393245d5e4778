"""README.md is run, not only read."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.places import ROOT

import wxcv
from wxcv.cli import exits

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox

CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_every_program_runs(box: Sandbox, tmp_path: Path, program: str) -> None:
    """Each Python block is a whole program that runs; with an account, a sandbox stands in for WeChat."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")  # a program may leave files in its directory
    account = {"WXCV_APPID": box.appid, "WXCV_SECRET": box.secret, "WXCV_BASE_URL": box.base_url}
    env = {**os.environ, **account, "PYTHONPATH": str(Path(wxcv.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)

    assert (process.returncode, err.decode()) == (0, "")
    if program is PROGRAMS[0]:
        assert "EAN_13 6901234567892" in out.decode()
    if "from_env" in program and "printed_text" in program:
        assert "示例速运" in out.decode()


def test_the_first_example_comes_early() -> None:
    """The first example begins by line 30, after the two commands."""
    lines = README.splitlines()

    assert lines.index("```python") < 30
    assert (
        README.index("wxcv read --sandbox") < README.index('".[dev]" && pytest') < README.index("```python")
    )


def test_the_layout_is_drawn_as_it_stands() -> None:
    """The drawing of the layout names every module and package, and no other."""
    drawn = set(re.findall(r"^  (\w+(?:\.py|/))", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE))
    package = Path(wxcv.__file__).parent
    modules = {path.name for path in package.glob("*.py")} - {"__main__.py"}

    assert drawn == modules | {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}


def test_the_exit_codes_are_those_of_the_commands() -> None:
    """The table of exit codes lists exactly the codes that the commands use."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|", README, re.MULTILINE)

    assert rows == [(str(int(code)), meaning) for code, meaning in exits.MEANINGS.items()]
