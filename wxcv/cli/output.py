"""What the commands print: rows for people, a line of JSON for programs, errors to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

import wxcv
from wxcv.cli import exits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from wxcv.cli.reading import ImageReport


def printable(text: str) -> str:
    """Return a text on one line; codes and names may hold control characters of terminals."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def display_name(image: str) -> str:
    """Return the image's name without the query of a URL, which may hold a signature."""
    return printable(image.split("?", maxsplit=1)[0] if "://" in image else image)


class Printer:
    """Prints what was read in each image, one thing per line; subclasses print it in other forms."""

    def print_report(self, report: ImageReport) -> None:
        """Print what was read in one image."""
        print_named_rows(report.image, report.rows)

    def finish(self) -> int:
        """Do what remains to be done after the last image; return the exit code of that."""
        return exits.ALL_READ


class JsonPrinter(Printer):
    """Prints one JSON object for each image."""

    def print_report(self, report: ImageReport) -> None:
        """See ``print_json``."""
        print_json(report)


class TextPrinter(Printer):
    """Prints printed text only, a line for each row, with an empty line between images.

    Args:
        has_names: whether the name of the image is printed before its text.
    """

    def __init__(self, *, has_names: bool) -> None:
        self._has_names = has_names
        self._is_first = True

    def print_report(self, report: ImageReport) -> None:
        """Print the rows of one image, or nothing if it was not read."""
        for outcome in report.outcomes.values():
            if outcome.status != "ok":
                continue
            lines = list(map(printable, outcome.answer.rows))
            if self._has_names:
                lines.insert(0, f"==> {display_name(report.image)} <==")
            if not self._is_first:
                lines.insert(0, "")
            self._is_first = False
            if lines:
                _write("\n".join(lines))


def print_named_rows(image: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print the name of an image and labels with texts below it, if there are any.

    Each is one line, however narrow the terminal is.
    """
    if not rows:
        return
    width = max(len(printable(kind)) for kind, _ in rows)
    name = display_name(image)
    lines = [typer.style(name, bold=True) if sys.stdout.isatty() else name]
    lines += [f"  {printable(kind):<{width}}  {printable(text)}" for kind, text in rows]
    _write("\n".join(lines))


def error_fields(name: str, error: wxcv.WxcvError) -> dict[str, Any]:
    """Return the ``error`` of an object, for the endpoint with this name."""
    resets_at: datetime | None = getattr(error, "resets_at", None)
    return {
        "endpoint": name,
        "type": type(error).__name__,
        "errcode": getattr(error, "errcode", None),
        "message": str(error),
        "retryable": error.retryable,
        "account_wide": error.account_wide,
        "sends": error.sends,
        "resets_at": None if resets_at is None else resets_at.isoformat(),
    }


def _missing_fields(name: str) -> dict[str, Any]:
    return {
        "endpoint": name,
        "type": None,
        "errcode": None,
        "message": "the command was stopped before an answer came",
        "retryable": False,
        "account_wide": False,
        "sends": None,
        "resets_at": None,
    }


def _to_json(answer: Any) -> object:  # noqa: ANN401 - of any endpoint
    """Return what JSON can hold of an answer; one that was paid for is printed in any case."""
    try:
        fields = answer.to_dict() if hasattr(answer, "to_dict") else answer
        json.dumps(fields)
    except Exception:  # noqa: BLE001 - an answer of an endpoint of the caller's own
        return repr(answer)
    return fields


def print_json(report: ImageReport) -> None:
    """Print the object of an image on one line."""
    print_object(report_fields(report))


def report_fields(report: ImageReport) -> dict[str, Any]:
    """Return the object of an image.

    It has ``image``, ``status`` ("ok", or that of the first endpoint without an answer), ``answers`` (by the
    endpoint's name, in WeChat's shape) and ``error`` (of that endpoint, or null). What was under way when the
    command was stopped is "unknown".
    """
    fields = {
        "image": report.image,
        "status": "ok",
        "answers": {key: _to_json(one.answer) for key, one in report.outcomes.items() if one.status == "ok"},
        "error": None,
    }
    for name, outcome in report.failures[:1]:
        fields |= {"status": outcome.status, "error": error_fields(name, outcome.error)}
    for name in report.missing[:1]:
        fields |= {"status": "unknown", "error": _missing_fields(name)}
    return fields


def print_object(fields: dict[str, Any]) -> None:
    """Print a JSON object on one line."""
    _write(to_line(fields))


def to_line(fields: dict[str, Any]) -> str:
    """Return a JSON object on one line that standard output can show."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return to_printable_json(fields, is_ascii=not is_utf8)


def to_printable_json(value: object, *, is_ascii: bool = False) -> str:
    """Return JSON on one line; what is not printable, or not ASCII if ``is_ascii``, is escaped."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    # JSON itself is printable; only its strings may hold what is not.
    return (
        text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    )


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of which each stays one."""
    _write("\n".join(map(printable, lines)))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their heads; a row may have one more cell, for a note."""
    table = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = ["  ".join(map(str.ljust, row, [*widths, 0])).rstrip() for row in table]
    if sys.stdout.isatty():
        lines[0] = typer.style(lines[0], bold=True)
    _write("\n".join(lines))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def discard_stdout() -> None:
    """Discard further output, so that Python does not try to flush it again when it exits."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends


class ErrorPrinter:
    """Prints a line for each image that failed, and one for all that were not sent for the same reason."""

    def __init__(self) -> None:
        self._not_sent: Counter[str] = Counter()
        self._stopped = 0

    def print_errors(self, report: ImageReport) -> None:
        """Print the failures of one image to stderr."""
        reported = set()
        for name, outcome in report.failures:
            error, reason = outcome.error, reason_of(outcome.error)
            if outcome.status == "not_sent":
                self._not_sent[reason] += 1
            elif reason not in reported:
                reported.add(reason)  # both endpoints refuse an unreadable file with the same message
                where = "" if isinstance(error, wxcv.ImageError) else f"{name}: "
                doubt = "WeChat may have counted it; " if outcome.status == "unknown" else ""
                say(f"{display_name(report.image)}: {where}{doubt}{reason}")
        self._stopped += bool(report.missing)

    def print_summary(self) -> None:
        """Print how many images were not sent, and why."""
        for reason, count in self._not_sent.items():
            say(f"{count} {'image was' if count == 1 else 'images were'} not sent: {reason}")
        if self._stopped:
            say(describe_interrupted(self._stopped, "under way"))


def reason_of(error: wxcv.WxcvError) -> str:
    """Return the error's text without the name of its image."""
    return str(error).removeprefix(f"{error.image}: ")


def count_of(number: int, word: str) -> str:
    """Return a number with a noun, such as "1 image" or "1,000 images"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def describe_interrupted(number: int, state: str) -> str:
    """Return what is to be known of images that have no outcome, as the command was stopped."""
    were, them = ("was", "it") if number == 1 else ("were", "them")
    images = count_of(number, "image")
    return f"{images} {were} {state} when the command was stopped; WeChat may have counted {them}"


def say(message: str) -> None:
    """Print one line to stderr, if there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # what is printed to stdout must not suffer from it
            sys.stderr.write(f"wxcv: {printable(message)}\n")
            sys.stderr.flush()
