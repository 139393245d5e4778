"""Prints pip constraints that pin every dependency, of every extra, at its declared minimum."""  # noqa: INP001 - a script

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"].values()
for line in sorted({*project["dependencies"], *(line for extra in extras for line in extra)}):
    found = re.match(r"([\w.-]+)(?:\[.*\])?\s*>=\s*([\w.]+)", line)
    if found:
        sys.stdout.write(f"{found[1]}=={found[2]}\n")
