"""Runs the programs in the docstrings of modules, with a sandbox in place of WeChat."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import wxcv
from support.places import PARCEL

if TYPE_CHECKING:
    from types import ModuleType

    from wxcv.sandbox import Sandbox


def find_program(module: ModuleType) -> str:
    """Return the first indented block of a module's docstring."""
    lines = (module.__doc__ or "").partition("::\n\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    return textwrap.dedent("\n".join(lines[:end]))


async def run_program(module: ModuleType, box: Sandbox, folder: Path) -> str:
    """Run the program of a module's docstring in a folder with parcel.jpg, and return what it prints."""
    (folder / "parcel.jpg").write_bytes(PARCEL.read_bytes())
    account = {"WXCV_APPID": box.appid, "WXCV_SECRET": box.secret, "WXCV_BASE_URL": box.base_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", find_program(module)),
        cwd=folder,
        env={**os.environ, **account, "PYTHONPATH": str(Path(wxcv.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode()


def import_without(package: str, module: str) -> str:
    """Return what a fresh process prints that imports a module of wxcv, but lacks a package."""
    program = f"""
import sys
sys.modules[{package!r}] = None
try:
    import {module}
except ImportError as error:
    print(error)
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
