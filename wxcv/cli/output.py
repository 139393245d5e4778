"""What the commands print: a table for people, a line of JSON for programs, errors to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import wxcv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wxcv.cli.reading import Reading


def _shown(text: str) -> Text:
    """Return what an image said on one line; a code may hold a terminal's control characters."""
    return Text("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def _name(image: str) -> str:
    """Return the image's name; the query of a URL may hold a signature."""
    return image.split("?", maxsplit=1)[0] if "://" in image else image


def _rows(answer: object) -> Iterator[tuple[str, str]]:
    if isinstance(answer, wxcv.QrcodeScan):
        yield from ((code.type_name, code.data) for code in answer.code_results)
        if not answer.code_results:
            yield "codes", "(none found)"
    if isinstance(answer, wxcv.PrintedText):
        yield from (("text", item.text) for item in answer.items)
        if not answer.items:
            yield "text", "(none found)"


def print_table(reading: Reading) -> None:
    """Print what was read in one image."""
    if not reading.answers:
        return
    table = Table(
        title=_shown(_name(reading.image)), title_justify="left", box=box.SIMPLE_HEAD, show_header=False
    )
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for answer in reading.answers.values():
        for kind, said in _rows(answer):
            table.add_row(_shown(kind), _shown(said))
    Console(highlight=False).print(table)


def print_json(reading: Reading) -> None:
    """Print one JSON object on one line: ``image``, and each endpoint's answer in WeChat's shape."""
    if not reading.answers:
        return
    answers = {name: answer.to_dict() for name, answer in reading.answers.items()}
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    line = json.dumps({"image": reading.image, **answers}, ensure_ascii=not is_utf8)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_errors(reading: Reading) -> None:
    """Print one line an error to stderr; it names the image."""
    for name, error in reading.errors.items():
        say(str(error) if isinstance(error, wxcv.ImageError) else f"{_name(reading.image)}: {name}: {error}")


def say(message: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"wxcv: {_shown(message).plain}\n")
