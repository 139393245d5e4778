"""Prepares foreign texts for messages and logs: bounded, on one line, and without secrets.

A foreign text is any text from outside wxcv: the response of a server or proxy, the name of a file, the
message of a caller's exception. Every function here reads a bounded part of it, in linear time.
"""

from __future__ import annotations

import os
import re
import traceback
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK_LIMIT = 1024
"""Maximum characters of a text that ``mask`` reads and returns."""

_NAME_LENGTH = 100
_ROUNDS = 6  # of decoding: a proxy's error page may encode what was encoded already
_SHORTEST_PART = 4  # characters of a secret that are masked where the examined part ends in the middle of it
_PACKAGE = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - pathlib is slow to import
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - the same
_INSTALLED = f"{os.sep}site-packages{os.sep}"

_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NAMES_OF_SECRETS = (
    "(?:cloudbase_|component_|authorizer_)?access_token|(?:component_)?appsecret|(?:component_)?secret|"
    "(?:authorizer_)?refresh_token|component_verify_ticket|img_url"
)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Compile on first use, and once: most programs never see an error."""
    return re.compile(
        {
            "entity": r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));",
            "escape": r"(?<!\\)\\+u([0-9a-fA-F]{4})",
            "partial": r"(?:%(?:25)*[0-9a-fA-F]?|\\+(?:u[0-9a-fA-F]{0,3})?|&#?\w{0,8})\Z",
            "pair": rf"(?i)({_NAMES_OF_SECRETS})(=|[\"']\s*:\s*[\"']?)[^&\s\"'<>]+",
            "authorization": r"(?i)\b(basic|bearer) +[\w.~+/=-]+",
            "user": r"//[^/\s@]{1,500}@",
        }[name]
    )


def _entity(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _ENTITIES[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF else ""  # noqa: PLR2004 - the last code point


def _decode(text: str) -> str:
    """Undo percent-encoding, and the escapes of JSON and HTML, however often they were applied."""
    for _ in range(_ROUNDS):
        before = text
        if "&" in text:
            text = _pattern("entity").sub(_entity, text)
        if "\\" in text:
            text = _pattern("escape").sub(lambda found: chr(int(found[1], 16)), text)
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\\", "")
        if "%" in text:
            text = unquote(text, errors="replace")
        if text == before:
            break
    return text


def _mask_cut(text: str, secret: str) -> str:
    """Mask the beginning of a secret at the end of a text that was cut there."""
    start = text.find(secret[:_SHORTEST_PART], max(0, len(text) - len(secret)))
    while start != -1:
        if secret.startswith(text[start:]):
            return text[:start] + "***"
        start = text.find(secret[:_SHORTEST_PART], start + 1)
    return text


def mask(text: str, known: Iterable[str] = ()) -> str:
    """Return the first MASK_LIMIT characters of a text without secrets.

    Args:
        text: a foreign text of any length.
        known: known secrets. They are found plain, percent-encoded, and escaped for JSON or HTML, even
            repeatedly. Every value with the name of a secret (``access_token=...``), every Authorization
            value and the user part of every URL is masked too.

    Returns:
        The unchanged text if there was nothing to mask, else the decoded text with ``***`` for every secret.
    """
    window = text[:MASK_LIMIT]
    is_cut = len(text) > MASK_LIMIT
    if is_cut:
        window = window[:-16] + _pattern("partial").sub("", window[-16:])
    plain = masked = _decode(window)
    for secret in sorted(filter(None, map(_decode, known)), key=len, reverse=True):
        masked = masked.replace(secret, "***")
        if is_cut:
            masked = _mask_cut(masked, secret)
    masked = _pattern("pair").sub(r"\1\2***", masked)
    masked = _pattern("authorization").sub(r"\1 ***", masked)
    masked = _pattern("user").sub("//***@", masked)
    return window if masked == plain else masked


def one_line(text: str, length: int) -> str:
    """Return the first ``length`` characters, with every unprintable one replaced by a space."""
    clipped = text[:length]
    return clipped if clipped.isprintable() else "".join(c if c.isprintable() else " " for c in clipped)


def short_name(text: str) -> str:
    """Return the end of a path or other name, at most 100 characters, printable and on one line."""
    printable = text[-4 * _NAME_LENGTH :]
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in printable)
    return printable if len(printable) <= _NAME_LENGTH else "…" + printable[-_NAME_LENGTH:]


def class_name(value: object) -> str:
    """Return the name of an object's class, for messages."""
    return one_line(type(value).__name__, _NAME_LENGTH)


def function_name(function: object) -> str:
    """Return the name of a caller's function, for messages."""
    name = getattr(function, "__qualname__", None)
    return short_name(name) if isinstance(name, str) else class_name(function)


def where_raised(error: BaseException) -> str:
    """Return the file and line of the caller's code that raised an error, or "" if there is none.

    The error's text is left out, as it may hold a secret.
    """
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        is_standard = name.startswith(_STANDARD_LIBRARY) and _INSTALLED not in name
        if not is_standard and not name.startswith(_PACKAGE):
            return f"{short_name(name)}:{line}"
    return ""
