"""``wxcv call``: endpoints by name and of one's own, their fields, and answers that are hard to print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.commands import environment, run
from support.places import PARCEL
from support.servers import answer, api_server

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

OWN = """
import sys
import attrs
import wxcv

@attrs.frozen
class Logo:
    name: str

def broken_table(logo):
    raise OverflowError

calls = []

def counted_table(logo):
    calls.append(logo)
    yield "times", f"{len(calls)} of its table"

COUNTED = wxcv.Endpoint("logo", "/cv/img/logo", dict, table=counted_table)
LOGO = wxcv.Endpoint("logo", "/cv/img/logo", lambda fields: Logo(fields["name"]))
BROKEN = wxcv.Endpoint("logo", "/cv/img/logo", lambda fields: Logo(fields["name"]), table=broken_table)
WORD = "no endpoint"
"""


async def named(request: web.Request) -> web.StreamResponse:
    """Answer a call."""
    await request.read()
    return answer(errcode=0, name="wxcv")


@pytest.mark.parametrize("name", ["LOGO", "BROKEN"])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["rows", "json"])
async def test_an_endpoint_of_ones_own_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: list[str]
) -> None:
    """``module:NAME`` is imported from the working directory, and its answer is printed in any case."""
    (tmp_path / "mypages.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    async with api_server(named) as url:
        code, out, err = await run("call", *options, f"mypages:{name}", str(PARCEL), env=environment(url))

    assert (code, err) == (0, "")
    assert "Logo(name='wxcv')" in (json.loads(out)["answers"]["logo"] if options else out)


async def test_the_table_of_an_answer_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function that makes the rows of an answer is called once, as it may be slow."""
    (tmp_path / "mypages.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    async with api_server(named) as url:
        code, out, err = await run("call", "mypages:COUNTED", str(PARCEL), env=environment(url))

    assert (code, err, out.splitlines()[1:]) == (0, "", ["  times  1 of its table"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["call", "nothing"], "no endpoint 'nothing'"),
        (["call", "mypages:NOTHING"], "cannot import"),
        (["call", "missing:LOGO"], "cannot import"),
        (["call", "leaving:LOGO"], "cannot import"),
        (["call", ":LOGO"], "cannot import"),
        (["call", "mypages:WORD"], "is not a wxcv.Endpoint, but of class str"),
        (["call", "--field", "type", "idcard"], "must be NAME=VALUE"),
        (["call", "--field", "kind=1", "idcard"], "idcard has no field 'kind'; it accepts: type"),
        (["idcard", "--field", "type=\n"], "must have a printable value"),
        (["menu", "--field", "type=1"], "menu has no field 'type'; it accepts: none"),
    ],
)
async def test_a_wrong_endpoint_or_field_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    """A name that leads nowhere, and a field that cannot be sent, are told in one line, with exit code 2."""
    (tmp_path / "mypages.py").write_text(OWN)
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(7)\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = await run(*words, str(PARCEL), env=environment("http://127.0.0.1:9", COLUMNS="200"))

    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
