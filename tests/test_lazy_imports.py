"""``import wxcv`` imports nothing else; every public name is loaded when it is first used."""

from __future__ import annotations

import base64
import inspect
import json
import pickle
import pkgutil
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.examples import ERRORS, VALUES

import wxcv
from wxcv.values import Value

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC = [*wxcv.__all__, "__version__"]

NEW_MODULES = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

IN_A_CHILD_EACH = """
import json, os, sys
import wxcv
def check(name):
    {check}
failed = []
for name in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        try:
            check(name)
        except BaseException as error:
            print(f"{{name}}: {{error!r}}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
assert [name for name in sys.modules if name.startswith("wxcv")] == ["wxcv"]
print(json.dumps(failed))
"""


def run(program: str, *arguments: str) -> str:
    """Return what the program prints in a fresh interpreter."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failing(check: str, names: list[str]) -> list[str]:
    """Return the names for which the check fails in a process that has imported nothing but wxcv."""
    told: list[str] = json.loads(run(IN_A_CHILD_EACH.format(check=check), json.dumps(names)))
    return told


def test_import_wxcv_imports_nothing_else() -> None:
    """``import wxcv`` adds one module to the interpreter: neither aiohttp, attrs nor typing comes with it."""
    assert json.loads(run(NEW_MODULES.format(statement="import wxcv"))) == ["wxcv"]
    isolated = (
        "import sys, wxcv; print([name for name in ('aiohttp', 'attrs', 'attr') if name in sys.modules])"
    )
    assert run(isolated) == "[]\n"


def test_looking_at_the_names_loads_none() -> None:
    """``dir(wxcv)`` lists every public name and ``hasattr`` finds no other; neither loads anything."""
    statement = "import wxcv; names = dir(wxcv); assert not hasattr(wxcv, 'nothing'); wxcv.__all__"
    modules = json.loads(run(NEW_MODULES.format(statement=statement)))

    assert [name for name in modules if name.startswith(("wxcv", "aiohttp", "attr"))] == ["wxcv"]
    assert set(PUBLIC) <= set(json.loads(run("import json, wxcv; print(json.dumps(dir(wxcv)))")))
    assert "TYPE_CHECKING" not in dir(wxcv)


def test_every_name_loads_on_its_first_use() -> None:
    """Whichever public name is used first in a process, it loads, and is the same object from then on."""
    assert failing("assert getattr(wxcv, name) is vars(wxcv)[name]", PUBLIC) == []


def test_the_source_of_every_class_is_found() -> None:
    """``inspect.getsource`` gives the class statement of every public class in a fresh process."""
    classes = [name for name in wxcv.__all__ if inspect.isclass(getattr(wxcv, name))]
    check = "import inspect; assert f'class {name}' in inspect.getsource(getattr(wxcv, name))"

    assert len(classes) > 50
    assert failing(check, classes) == []


def test_a_check_that_fails_is_told() -> None:
    """The helper of this file names what fails, so that an empty list means that nothing did."""
    program = IN_A_CHILD_EACH.format(check="assert name != 'Session'").replace("file=sys.stderr, ", "")

    assert json.loads(run(program, '["Session", "Batch"]').splitlines()[-1]) == ["Session"]


def test_a_star_import_gives_every_public_name() -> None:
    """``from wxcv import *`` binds exactly the names of ``__all__``."""
    program = "from wxcv import *\nprint(*(name for name in list(globals()) if not name.startswith('__')))"

    assert sorted(run(program).split()) == wxcv.__all__


def test_no_module_stands_in_the_way_of_a_public_name() -> None:
    """No public name is that of a module or package, which an import inside wxcv would put in its place."""
    assert not {module.name for module in pkgutil.iter_modules(wxcv.__path__)} & set(PUBLIC)


def test_there_is_an_example_of_every_public_value() -> None:
    """The examples cover every public class of values and errors, but those that refuse to be pickled."""
    classes = {one for one in map(wxcv.__getattr__, wxcv.__all__) if inspect.isclass(one)}
    values = {cls for cls in classes if issubclass(cls, Value)} - {wxcv.AccessToken, wxcv.StoredToken}
    errors = {cls for cls in classes if issubclass(cls, wxcv.WxcvError)}

    assert values == {type(value) for value in VALUES}
    assert errors - {type(error) for error in ERRORS} == {
        wxcv.WxcvError,
        wxcv.ImageError,
        wxcv.TransportError,
    }


@pytest.mark.parametrize("examples", [VALUES, ERRORS], ids=["values", "errors"])
def test_a_fresh_process_unpickles_what_another_pickled(examples: list[Any]) -> None:
    """Every public value and error can be sent to a process that has imported nothing, and back."""
    program = """
import base64, pickle, sys
objects = [pickle.loads(base64.b64decode(text)) for text in sys.argv[1:]]
print(*(base64.b64encode(pickle.dumps(one)).decode() for one in objects), sep="\\n")
"""
    sent = [base64.b64encode(pickle.dumps(one)).decode() for one in examples]
    back = [pickle.loads(base64.b64decode(text)) for text in run(program, *sent).split()]  # noqa: S301 - ours

    assert [repr(one) for one in back] == [repr(one) for one in examples]
    assert [type(one) for one in back] == [type(one) for one in examples]
    if examples is VALUES:
        assert [one for one in back if not isinstance(one, wxcv.Unanswered)] == [
            one for one in examples if not isinstance(one, wxcv.Unanswered)
        ]


def test_a_type_checker_sees_every_name(tmp_path: Path) -> None:
    """mypy knows the type of every public name, and that there is no other name."""
    probe = tmp_path / "probe.py"
    names = [*PUBLIC, "nothing"]
    probe.write_text("import wxcv\n" + "".join(f"reveal_type(wxcv.{name})\n" for name in names), "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(probe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603 - our own
    revealed = dict(re.findall(r"probe\.py:(\d+): note: Revealed type is \"(.+)\"", done.stdout))

    assert re.findall(r"probe\.py:(\d+): error: .*\"(\w+)\"", done.stdout) == [
        (str(len(names) + 1), "nothing")
    ]
    assert len(revealed) == len(names)
    assert [names[int(line) - 2] for line, kind in revealed.items() if kind == "Any"] == ["nothing"]
