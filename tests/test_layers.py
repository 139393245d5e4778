"""The house: which module may import which."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import wxcv

PACKAGE = Path(wxcv.__file__).parent
PURE = {
    *("errors", "errcodes", "models", "files", "images", "endpoints", "requests", "answers"),
    *("steps", "credentials", "component", "cloud", "retries", "values", "reports", "outcomes", "outages"),
}
ALLOWED = {
    "masking": set(),
    "errors": {"errors", "masking"},
    "values": set(),
    "clock": set(),
    "checks": set(),
    "callbacks": {"masking"},
    "deadlines": set(),
    "nesting": set(),
    "slots": {"deadlines", "errors", "nesting"},
    "errcodes": {"errors", "masking"},
    "models": {"errors", "values"},
    "files": {"callbacks", "errors", "masking"},
    "images": {"errors", "files", "masking", "models", "values"},
    "loading": {"callbacks", "errors", "files", "images", "masking"},
    "endpoints": {"checks", "errors", "models", "values"},
    "requests": {"images", "endpoints", "masking"},
    "answers": {"errors", "errcodes", "masking", "models", "endpoints"},
    "connections": set(),
    "payload": {"connections", "requests"},
    "transport": {"answers", "deadlines", "errors", "masking", "payload", "requests"},
    "steps": {"models", "requests"},
    "credentials": {"answers", "checks", "errors", "masking", "models", "steps", "requests"},
    "component": {"answers", "checks", "credentials", "errors", "masking", "steps", "requests"},
    "cloud": {"checks", "credentials", "errors", "masking", "models", "steps"},
    "stores": {"checks", "errors", "masking", "values"},
    "errands": {"callbacks", "errors", "masking", "nesting", "steps", "stores", "requests"},
    "renewal": {"errands", "errors", "steps", "stores"},
    "accounts": {"callbacks", "errors", "stores"},
    "tokens": {
        *("accounts", "checks", "clock", "errands", "errors", "masking", "models", "nesting", "renewal"),
        "stores",
    },
    "reports": {"errors"},
    "outcomes": {"values"},
    "outages": {"errors"},
    "batch": {"callbacks", "errors", "nesting", "outcomes"},
    "retries": {"checks", "errors", "values"},
    "state": {"errors", "retries", "values"},
    "calls": {"answers", "callbacks", "clock", "errors", "images", "reports", "requests", "values"},
    "arguments": {"checks", "credentials", "endpoints", "masking", "requests", "retries", "tokens"},
    "options": set(),
    "lifecycle": {
        *("arguments", "checks", "clock", "errors", "images", "loading", "retries", "slots", "state"),
        *("tokens", "transport"),
    },
    "session": {"arguments", "batch", "calls", "checks", "endpoints", "images", "lifecycle", "outages"},
}
THIRD_PARTY = {
    "values": {"attrs"},
    "models": {"attrs"},
    "images": {"attrs"},
    "endpoints": {"attrs"},
    "payload": {"aiohttp"},
    "transport": {"aiohttp", "yarl"},
    "credentials": {"attrs"},
    "component": {"attrs"},
    "cloud": {"attrs"},
    "stores": {"attrs", "redis"},
    "tokens": {"cachetools"},
    "reports": {"attrs"},
    "outcomes": {"attrs"},
    "state": {"attrs"},
    "retries": {"attrs"},
    "calls": {"attrs"},
}


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports at run time, wherever in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(room: str) -> list[Path]:
    """Return the files of a module or package."""
    path = PACKAGE / f"{room}.py"
    return [path] if path.exists() else sorted((PACKAGE / room).glob("*.py"))


def ours(names: set[str]) -> set[str]:
    """Return the modules of wxcv among them, by their first word below the package."""
    return {name.split(".")[1] for name in names if name.startswith("wxcv.")}


def foreign(names: set[str]) -> set[str]:
    """Return the third-party packages among them."""
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"wxcv"}


def test_every_room_is_on_the_plan() -> None:
    """Every module of the client has its row in the plan."""
    rooms = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} | {"errors"}

    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_what_its_row_allows(room: str) -> None:
    """A module imports only the modules and packages that its row names."""
    names = set().union(*map(imports, files(room)))

    assert ours(names) <= ALLOWED[room]
    assert foreign(names) <= THIRD_PARTY.get(room, set())


@pytest.mark.parametrize("room", PURE)
def test_the_ground_floor_does_no_io(room: str) -> None:
    """The pure modules import neither asyncio nor sockets, and only files and images know the disk."""
    names = {name.split(".")[0] for path in files(room) for name in imports(path)}

    assert not names & {"asyncio", "socket", "ssl", "time", "pathlib"}
    assert room in {"files", "images"} or "os" not in names


def test_the_sandbox_shares_nothing_with_the_client() -> None:
    """The sandbox imports no module of the client, so that they cannot share a mistake."""
    names = set().union(*(imports(path) for path in (PACKAGE / "sandbox").rglob("*.py")))

    assert ours(names) == {"sandbox"}
    assert "wxcv" not in names
    assert foreign(names) <= {"aiohttp", "zxingcpp", "rapidocr", "PIL", "numpy"}


def test_the_commands_use_public_names_only() -> None:
    """The command line imports wxcv itself, its own files, and the sandbox."""
    names = set().union(*(imports(path) for path in (PACKAGE / "cli").rglob("*.py")))

    assert ours(names) <= {"cli", "sandbox"}
    assert foreign(names) <= {"attrs", "rich", "typer"}


def loaded(statement: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter holds after the statement."""
    probe = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_importing_wxcv_imports_the_core_only() -> None:
    """``import wxcv`` brings in the standard library and what aiohttp, attrs and cachetools bring in."""
    before = {name.split(".")[0] for name in loaded("import aiohttp, attrs, cachetools, yarl")}
    after = {name.split(".")[0] for name in loaded("import wxcv")}

    assert after - before - set(sys.stdlib_module_names) == {"wxcv"}


def test_what_few_programs_need_is_imported_when_it_is_asked_for() -> None:
    """Third-party platforms and cloud hosting are imported with the first use of their names."""
    later = {"wxcv.component", "wxcv.cloud"}

    assert not later & loaded("import wxcv")
    assert later <= loaded("import wxcv; wxcv.AuthorizerCredential, wxcv.CloudCredential")
    assert later <= loaded("from wxcv import *")


def test_no_body_is_over_forty_lines_and_no_module_over_three_hundred() -> None:
    """Every function body has at most 40 lines, and every module of code at most 300."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                start = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                assert (node.end_lineno or 0) - start.lineno < 40, f"{path}: {node.name}"
