"""The command: runs benchmarks one after another and prints their tables."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.core import BenchmarkError, MissingError, Settings
from benchmarks.harness.report import as_json, as_text, machine

# Name on the command line, and its module: "import" can be no module's name.
BENCHMARKS = {
    "upload": "upload",
    "tls": "tls",
    "files": "files",
    "latency": "latency",
    "memory": "memory",
    "cache": "cache",
    "journal": "journal",
    "rotation": "rotation",
    "parse": "parse",
    "import": "imports",
    "sandbox": "sandbox",
    "tokens": "tokens",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there too")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each case runs")
    parser.add_argument("--quick", action="store_true", help="show that it works, not how fast")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def _run(name: str, settings: Settings) -> tuple[bool, Any]:
    """Run one benchmark and print it; return whether it did not fail, and what goes into the JSON."""
    print(f"\n## {name}\n", flush=True)
    started = time.monotonic()
    try:
        reports = importlib.import_module(f"benchmarks.cases.{BENCHMARKS[name]}").run(settings)
    except MissingError as missing:
        print(f"not run: {missing}")
        return True, {"not_run": str(missing)}
    except BenchmarkError as error:
        print(f"FAILED: {error}")
        return False, {"failed": str(error)}
    for report in reports:
        print(as_text(report), end="\n\n")
    print(f"({name}: {time.monotonic() - started:.0f} s)", flush=True)
    return True, [as_json(report) for report in reports]


def main() -> int:
    """Run what the command line asks for; 1 if a benchmark failed."""
    arguments = _arguments()
    settings = Settings(arguments.rounds, arguments.quick)
    facts = machine()
    print(", ".join(f"{name}: {value}" for name, value in facts.items()))
    results = {name: _run(name, settings) for name in arguments.names or BENCHMARKS}
    if arguments.json is not None:
        told = {"machine": facts, "benchmarks": {name: told for name, (_, told) in results.items()}}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(is_fine for is_fine, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
