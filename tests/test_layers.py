"""The layers of the package: which module may import which."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.places import TESTS

import wxcv

PACKAGE = Path(wxcv.__file__).parent
LAYERS = (
    {"session"},
    {"batch"},
    {"calls"},
    {"answer_sources", "journal"},
    {"tokens"},
    {"protocol"},
    {"images", "stores", "endpoints"},
    {"errors", "clock", "checks", "masking", "values", "callbacks", "nesting", "regular_files"},
)
"""From the top down; a module imports its own package and the layers below."""

GROUND = LAYERS[-1]
GROUND_IMPORTS = {"errors": {"masking"}, "callbacks": {"masking"}}
OUTSIDE = {"", "__main__", "cli", "integrations", "sandbox"}
"""What uses public names only, or nothing of the client's."""

THIRD_PARTY = {
    "attrs": None,  # anywhere
    "aiohttp": {"calls.transport", "calls.payload", "calls.connections"},
    "yarl": {"calls.transport", "calls.payload", "calls.proxies"},
    "redis": {"stores.redis"},
    "cachetools": {"tokens.manager", "calls.answer_cache"},
    "PIL": {"images.pictures", "images.encoding", "answer_sources.codes", "answer_sources.traces"},
    "zxingcpp": {"answer_sources.codes"},
    "pydantic": {"endpoints.schemas"},
    "pydantic_core": {"endpoints.schemas"},
}
FRAMEWORKS = {
    "fastapi": {"integrations.fastapi"},
    "starlette": {"integrations.fastapi"},
    "python_multipart": {"integrations.forms"},
    "aiohttp": {"integrations.aiohttp"},
    "opentelemetry": {"integrations.opentelemetry"},
    "prometheus_client": {"integrations.prometheus"},
}
"""Third-party packages of integrations, and the modules that import them."""

STANDARD = {"sqlite3": {"stores.sqlite_files", "journal.reader"}}
"""Parts of the standard library that only these modules import."""

PURE = [
    *("errors", "protocol", "endpoints", "answer_sources.base", "values", "batch.outages", "batch.outcomes"),
    *(
        "calls.events",
        "calls.hosts",
        "calls.pacing",
        "calls.reports",
        "calls.retries",
        "calls.sends_left",
        "images.files",
        "images.sources",
    ),
    *("tokens.access_token", "tokens.app", "tokens.callback", "tokens.cloud", "tokens.component"),
    *("tokens.credential", "tokens.static", "tokens.validators"),
    *("stores.base", "stores.file_systems", "stores.local", "stores.daily_count", "stores.scripts"),
    "stores.statements",
]
"""Packages and modules that do no I/O; those of images look at the disk, and at nothing else."""

IO = {
    "asyncio",
    "concurrent",
    "pathlib",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}


class Module(NamedTuple):
    """A module of wxcv.

    Attributes:
        name: below wxcv, such as "tokens.manager"; "" is wxcv itself.
        path: of its file.
        runtime: the dotted names that it imports at run time, wherever in the file.
        typed: these, and what type checkers import besides.
    """

    name: str
    path: Path
    runtime: set[str]
    typed: set[str]

    @property
    def package(self) -> str:
        """The first word of its name."""
        return self.name.partition(".")[0]


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names that the code imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def read_module(path: Path) -> Module:
    """Read what a file imports."""
    words = path.relative_to(PACKAGE).with_suffix("").parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return Module(".".join(words).removesuffix("__init__").rstrip("."), path, imported(tree), typed)


MODULES = {module.name: module for module in map(read_module, sorted(PACKAGE.rglob("*.py")))}
INTEGRATIONS = [module for module in MODULES.values() if module.package == "integrations"]
CLIENT = [module for module in MODULES.values() if module.package not in OUTSIDE]


def ours(names: set[str]) -> set[str]:
    """Return the modules of wxcv among imported names, by their names below wxcv."""
    found = set()
    for name in names:
        first, _, rest = name.partition(".")
        while first == "wxcv" and rest not in MODULES:
            rest = rest.rpartition(".")[0]
        if first == "wxcv":
            found.add(rest)
    return found


def packages(names: set[str]) -> set[str]:
    """Return the packages and modules right below wxcv among imported names."""
    return {name.partition(".")[0] for name in ours(names)}


def packages_of(names: set[str]) -> set[str]:
    """Return the first words of imported names."""
    return {name.partition(".")[0] for name in names}


def foreign(names: set[str]) -> set[str]:
    """Return the third-party packages among imported names."""
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"wxcv"}


def allowed(package: str) -> set[str]:
    """Return what the modules of a package may import."""
    if package in GROUND:
        return {package} | GROUND_IMPORTS.get(package, set())
    height = next(number for number, layer in enumerate(LAYERS) if package in layer)
    return {package}.union(*LAYERS[height + 1 :])


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the names along a cycle, the first one again at the end; empty if there is none."""
    finished: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(graph[name]):
            if cycle := visit(other, [*trail, name]):
                return cycle
        finished.add(name)
        return []

    return next(filter(None, (visit(name, []) for name in sorted(graph))), [])


def test_every_package_has_its_layer() -> None:
    """Every package and module right below wxcv is in exactly one layer, and no layer names another."""
    listed = [package for layer in LAYERS for package in layer]

    assert sorted(listed) == sorted({module.package for module in CLIENT})


@pytest.mark.parametrize("module", CLIENT, ids=lambda module: module.name)
def test_imports_go_down_only(module: Module) -> None:
    """A module imports its own package and the layers below, also where only type checkers look."""
    assert packages(module.typed) <= allowed(module.package), f"{module.name} imports upward or sideways"


def test_no_module_imports_itself_in_a_circle() -> None:
    """There is no cycle of imports between modules, not even one that only type checkers see."""
    graph = {name: ours(module.typed) - {name} for name, module in MODULES.items()}

    assert " -> ".join(find_cycle(graph)) == ""


def test_a_cycle_is_found_and_named() -> None:
    """The search for cycles gives the modules along the cycle, and nothing for a graph without one."""
    assert find_cycle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("module", CLIENT, ids=lambda module: module.name)
def test_third_party_packages_stay_where_they_belong(module: Module) -> None:
    """A package is imported only where it belongs: redis by the Redis store, zxing-cpp by its reader."""
    for name in foreign(module.runtime):
        assert name in THIRD_PARTY, f"{module.name} imports {name}"
        places = THIRD_PARTY[name]
        assert places is None or module.name in places, f"{module.name} imports {name}"


def test_sqlite_is_known_to_few_modules() -> None:
    """Only the modules that open the files of stores and journals import sqlite3 when they run."""
    for name, places in STANDARD.items():
        assert {module.name for module in CLIENT if name in packages_of(module.runtime)} == places


@pytest.mark.parametrize("pure", PURE)
def test_what_is_pure_does_no_io(pure: str) -> None:
    """Requests, answers, errors and credentials know no event loop, socket, thread, file or clock."""
    modules = [module for module in CLIENT if f"{module.name}.".startswith(f"{pure}.")]
    names = {name.partition(".")[0] for module in modules for name in module.runtime}

    assert modules
    assert not names & IO
    assert pure.startswith(("images.", "stores.")) or "os" not in names


def test_the_sandbox_shares_nothing_with_the_client() -> None:
    """The sandbox imports no module of the client, so that they cannot share a mistake."""
    names = set().union(*(module.typed for module in MODULES.values() if module.package == "sandbox"))

    assert packages(names) == {"sandbox"}
    assert foreign(names) <= {"aiohttp", "zxingcpp", "rapidocr", "PIL", "numpy"}


def test_the_commands_use_public_names_only() -> None:
    """The command line imports wxcv itself, its own files, and the sandbox's public names."""
    names = set().union(*(module.typed for module in MODULES.values() if module.package == "cli"))

    assert packages(names) <= {"", "cli", "sandbox"}
    assert {name for name in ours(names) if name.startswith("sandbox")} <= {"sandbox"}
    assert not [name for name in names if re.search(r"(^|\.)_", name.removeprefix("__future__."))]
    assert foreign(names) <= {"attrs", "rich", "typer", "PIL"}
    assert [
        module.name
        for module in MODULES.values()
        if module.package == "cli" and "PIL" in foreign(module.typed)
    ] == ["cli.drawing"]


@pytest.mark.parametrize("module", INTEGRATIONS, ids=lambda module: module.name)
def test_integrations_use_public_names_only(module: Module) -> None:
    """An integration imports wxcv itself, what integrations share, and the packages of its own framework."""
    assert packages(module.typed) <= {"", "integrations"}
    assert not [name for name in module.typed if re.search(r"(^|\.)_", name.removeprefix("__future__."))]
    for name in foreign(module.runtime):
        assert module.name in FRAMEWORKS.get(name, ()), f"{module.name} imports {name}"


def loaded(statement: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter holds after the statement."""
    probe = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_the_client_imports_the_core_only() -> None:
    """``from wxcv import *`` imports the standard library, and what the three dependencies import."""
    before = {name.split(".")[0] for name in loaded("import aiohttp, attrs, cachetools, yarl")}
    after = {name.split(".")[0] for name in loaded("from wxcv import *")}

    assert after - before - set(sys.stdlib_module_names) == {"wxcv"}


def test_what_few_programs_need_is_imported_when_it_is_asked_for() -> None:
    """Third-party platforms, cloud hosting and the stores are imported with the first use of their names."""
    later = {"wxcv.tokens.component", "wxcv.tokens.cloud", "wxcv.stores.redis", "wxcv.stores.sqlite"}

    assert not later & loaded("from wxcv import AppCredential, Session, SCAN_QRCODE")
    assert later <= loaded(
        "import wxcv; wxcv.AuthorizerCredential, wxcv.CloudCredential, wxcv.RedisStore, wxcv.SQLiteStore"
    )
    assert later <= loaded("from wxcv import *")


def test_no_body_is_over_forty_lines_and_no_module_over_three_hundred() -> None:
    """Every function body has at most 40 lines, and every module of code at most 300."""
    for module in MODULES.values():
        text = module.path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, module.path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                start = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                assert (node.end_lineno or 0) - start.lineno < 40, f"{module.path}: {node.name}"


def test_no_file_of_tests_is_over_four_hundred_lines() -> None:
    """Every file of tests has at most 400 lines, and what tests share is in tests/support/."""
    for path in TESTS.rglob("*.py"):
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
        assert path.parent.name in {"examples", "images", "support", "typing"} or re.match(
            "test_|conftest", path.name
        ), path
