"""``--annotate``: numbers what was read in one picture, and draws boxes over a copy of it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import wxcv
from wxcv.cli import exits, output
from wxcv.cli.drawing import KINDS, Box, DrawingError, draw_boxes
from wxcv.cli.inputs import may_be_several
from wxcv.cli.reading import NONE_FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wxcv.cli.reading import ImageReport

_CODE_COLOUR, _TEXT_COLOUR = "#c00000", "#0040c0"
_NO_PILLOW = '--annotate needs pillow from the extra fit: python -m pip install "wxcv[fit]"'


class Annotation(output.Printer):
    """Prints the answers about one picture as a legend, and writes a copy of the picture with boxes.

    What has a position is numbered in the order in which it is printed. Codes and texts for which WeChat
    returned none have ``-`` in place of a number.

    Args:
        image: the path of the picture.
        copy_path: the path of the copy.
        as_json: whether to print JSON in place of the legend.
    """

    def __init__(self, image: str, copy_path: str, *, as_json: bool) -> None:
        self._image, self._copy_path, self._as_json = image, copy_path, as_json
        self._boxes: list[Box] = []
        self._is_answered = False

    def print_report(self, report: ImageReport) -> None:
        """Print the answers, and keep the boxes."""
        rows = self._number(report)
        if self._as_json:
            output.print_json(report)
        else:
            width = len(str(len(self._boxes)))
            legend = [(f"{number:>{width}}  {kind}", text) for number, kind, text in rows]
            output.print_named_rows(report.image, legend)

    def _number(self, report: ImageReport) -> list[tuple[str, str, str]]:
        """Return the number, kind and text of everything that was read, and keep the boxes."""
        rows = []
        for name in (endpoint.name for endpoint in report.endpoints):
            outcome = report.outcomes.get(name)
            if outcome is None or outcome.status != "ok":
                continue
            self._is_answered = True
            found = _found_in(outcome.answer)
            for colour, kind, text, pos in found:
                if pos is not None:
                    self._boxes.append(Box(len(self._boxes) + 1, colour, pos, outcome.answer.img_size))
                rows.append(("-" if pos is None else str(len(self._boxes)), kind, text))
            if not found:
                rows.append(("-", name, NONE_FOUND))
        return rows

    def finish(self) -> int:
        """Write the copy, if there was an answer; return the exit code."""
        if not self._is_answered:
            return exits.ALL_READ
        try:
            draw_boxes(self._image, self._copy_path, self._boxes)
        except DrawingError as error:
            output.say(f"{output.display_name(self._image)}: {error}")
            return exits.SOME_FAILED
        return exits.ALL_READ


def _found_in(answer: wxcv.QrcodeScan | wxcv.PrintedText) -> list[tuple[str, str, str, wxcv.Pos | None]]:
    """Return colour, kind, text and position of everything in an answer."""
    if isinstance(answer, wxcv.QrcodeScan):
        return [(_CODE_COLOUR, code.type_name, code.data, code.pos) for code in answer.code_results]
    return [(_TEXT_COLOUR, "text", item.text, item.pos) for item in answer.items]


def plan_annotation(images: Sequence[str], copy_path: str, *, as_json: bool) -> Annotation:
    """Return what prints and draws the answers; check first what can be checked, as an answer costs quota.

    Raises:
        typer.BadParameter: the images are not one file, or no copy can be written to ``copy_path``.
        typer.Exit: Pillow is missing; a message was printed.
    """
    if may_be_several(images) or "://" in images[0]:
        raise typer.BadParameter("--annotate needs the path of one picture, not a folder, a URL or -")
    if Path(copy_path).suffix.lower() not in KINDS:
        raise typer.BadParameter(
            f"--annotate must be the path of a file and end in one of {', '.join(KINDS)}"
        )
    try:
        _check_copy_path(images[0], copy_path)
    except (OSError, RuntimeError) as error:  # such as a name that is too long, or a loop of links
        raise typer.BadParameter(f"the path for --annotate cannot be used ({type(error).__name__})") from None
    if find_spec("PIL") is None:
        output.say(_NO_PILLOW)
        raise typer.Exit(exits.USAGE)
    return Annotation(images[0], copy_path, as_json=as_json)


def _check_copy_path(image: str, copy_path: str) -> None:
    target = Path(copy_path).resolve()  # which raises RuntimeError for a loop of links, before Python 3.13
    if target.is_symlink():
        raise RuntimeError("a link leads to itself")
    if not target.parent.is_dir():
        raise typer.BadParameter("the directory for --annotate does not exist; create it")
    if not os.access(target.parent, os.W_OK):
        raise typer.BadParameter("the directory for --annotate cannot be written")
    if not target.exists():
        return
    if not target.is_file():
        raise typer.BadParameter("--annotate must be the path of a file, not of a directory or a device")
    if Path(image).exists() and os.path.samefile(image, target):  # noqa: PTH121 - either may be a link
        raise typer.BadParameter("--annotate would overwrite the picture itself; give another name")
