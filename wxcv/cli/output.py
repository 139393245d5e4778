"""What the commands print: rows for people, a line of JSON for programs, errors to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

import wxcv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wxcv.cli.reading import ImageReport


def printable(text: str) -> str:
    """Return a text on one line; codes and names may hold control characters of terminals."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def display_name(image: str) -> str:
    """Return the image's name without the query of a URL, which may hold a signature."""
    return printable(image.split("?", maxsplit=1)[0] if "://" in image else image)


def _rows(answer: object) -> Iterator[tuple[str, str]]:
    if isinstance(answer, wxcv.QrcodeScan):
        yield from ((code.type_name, code.data) for code in answer.code_results)
        if not answer.code_results:
            yield "codes", "(none found)"
    if isinstance(answer, wxcv.PrintedText):
        yield from (("text", item.text) for item in answer.items)
        if not answer.items:
            yield "text", "(none found)"


def print_rows(report: ImageReport) -> None:
    """Print the answers for one image as rows; lines are not wrapped."""
    answers = [one.answer for one in report.outcomes.values() if one.status == "ok"]
    rows = [row for answer in answers for row in _rows(answer)]
    if not rows:
        return
    width = max(len(printable(kind)) for kind, _ in rows)
    name = display_name(report.image)
    lines = [typer.style(name, bold=True) if sys.stdout.isatty() else name]
    lines += [f"  {printable(kind):<{width}}  {printable(said)}" for kind, said in rows]
    _write("\n".join(lines))


def _error_fields(name: str, error: wxcv.WxcvError) -> dict[str, Any]:
    return {
        "endpoint": name,
        "type": type(error).__name__,
        "errcode": getattr(error, "errcode", None),
        "message": str(error),
        "retryable": error.retryable,
        "account_wide": error.account_wide,
        "sends": error.sends,
    }


def print_json(report: ImageReport) -> None:
    """Print one JSON object on one line.

    It has ``image``, ``status`` ("ok", or that of the first endpoint without an answer), ``answers`` (by the
    endpoint's name, in WeChat's shape) and ``error`` (of that endpoint, or null).
    """
    failures = report.failures
    name, outcome = failures[0] if failures else ("", None)
    fields = {
        "image": report.image,
        "status": outcome.status if outcome else "ok",
        "answers": {key: one.answer.to_dict() for key, one in report.outcomes.items() if one.status == "ok"},
        "error": _error_fields(name, outcome.error) if outcome else None,
    }
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _write(json.dumps(fields, ensure_ascii=not is_utf8))


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

    def print_errors(self, report: ImageReport) -> None:
        """Print the failures of one image to stderr."""
        reported = set()
        for name, outcome in report.failures:
            error, reason = outcome.error, _reason(outcome.error)
            if outcome.status == "not_sent":
                self._not_sent[reason] += 1
            elif reason not in reported:
                reported.add(reason)  # both endpoints refuse an unreadable file with the same message
                where = "" if isinstance(error, wxcv.ImageError) else f"{name}: "
                doubt = "WeChat may have counted it; " if outcome.status == "unknown" else ""
                say(f"{display_name(report.image)}: {where}{doubt}{reason}")

    def print_summary(self) -> None:
        """Print how many images were not sent, and why."""
        for reason, count in self._not_sent.items():
            say(f"{count} {'image was' if count == 1 else 'images were'} not sent: {reason}")


def _reason(error: wxcv.WxcvError) -> str:
    """Return the error's text without the name of its image."""
    return str(error).removeprefix(f"{error.image}: ")


def say(message: str) -> None:
    """Print one line to stderr, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"wxcv: {printable(message)}\n")
        sys.stderr.flush()
