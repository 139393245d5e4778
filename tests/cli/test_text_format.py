"""``wxcv printed-text --format text``: the text alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.commands import run, run_against
from support.servers import answer

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

TEXT = ("printed-text", "--format", "text")


def item(text: str, left: int, top: int) -> dict[str, Any]:
    """Return an item of 50 by 20 pixels, as WeChat does."""
    corners = {"left_top": (0, 0), "right_top": (50, 0), "right_bottom": (50, 20), "left_bottom": (0, 20)}
    pos = {name: {"x": left + x, "y": top + y} for name, (x, y) in corners.items()}
    return {"text": text, "pos": pos}


async def receipt(request: web.Request) -> web.StreamResponse:
    """Answer with two rows of text, or with none for a picture that is blank."""
    body = await request.read()
    items = [item("7.50", 200, 33), item("tea\x1b[2J", 0, 30), item("receipt", 0, 0)]
    return answer(errcode=0, items=[] if pictures.BLANK in body else items)


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """The names of three pictures in a folder, of which the second is blank."""
    for name, data in (("a", pictures.PICTURE), ("b", pictures.BLANK), ("c", pictures.PICTURE)):
        (tmp_path / f"{name}.png").write_bytes(data)
    return [str(tmp_path / f"{name}.png") for name in "abc"]


async def test_one_image_is_printed_as_rows_alone(names: list[str]) -> None:
    """For one image there are its rows in reading order and nothing else; for a blank one, nothing."""
    assert await run_against(receipt, *TEXT, names[0]) == (0, "receipt\ntea\\x1b[2J 7.50\n", "")
    assert await run_against(receipt, *TEXT, names[1]) == (0, "", "")


async def test_several_images_have_names_and_empty_lines(names: list[str], tmp_path: Path) -> None:
    """Named one by one or by their folder, images are told apart by their names and an empty line."""
    a, b, c = (f"==> {name} <==" for name in names)
    expected = [a, "receipt", "tea\\x1b[2J 7.50", "", b, "", c, "receipt", "tea\\x1b[2J 7.50"]
    for words in (names, [str(tmp_path)]):
        code, out, err = await run_against(receipt, *TEXT, *words)
        assert (code, out.splitlines(), err) == (0, expected, "")


async def test_an_image_that_is_not_read_leaves_no_text(names: list[str], tmp_path: Path) -> None:
    """What fails is told on stderr alone, and no empty line stands before the first text."""
    code, out, err = await run_against(receipt, *TEXT, str(tmp_path / "none.png"), names[0])

    assert (code, out.splitlines()[0]) == (1, f"==> {names[0]} <==")
    assert len(err.splitlines()) == 1


async def test_a_table_is_the_default(names: list[str]) -> None:
    """Without --format, and with --format table, each item of the answer is a line below the name."""
    code, out, _ = await run_against(receipt, "printed-text", names[0])

    assert (code, out.splitlines()[1:]) == (0, ["  text  7.50", "  text  tea\\x1b[2J", "  text  receipt"])
    assert (await run_against(receipt, "printed-text", "--format", "table", names[0]))[1] == out


@pytest.mark.parametrize("other", [["--json"], ["--annotate", "out.png"]], ids=" ".join)
async def test_two_forms_at_once_are_refused(names: list[str], other: list[str]) -> None:
    """Text and another form are wrong usage, as is a form that is none."""
    code, out, err = await run(*TEXT, *other, names[0], env={"COLUMNS": "200"})

    assert (code, out, "--format text cannot be combined with" in err) == (2, "", True)
    assert (await run("printed-text", "--format", "csv", names[0]))[0] == 2
