"""Prepares foreign texts for messages and logs: bounded, on one line, and without secrets.

A foreign text is any text from outside wxcv: the response of a server or proxy, the name of a file, the
message of a caller's exception. Every function here reads a bounded part of it, in linear time.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from functools import cache
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK_LIMIT = 1024
"""Characters of a text that ``mask`` looks at and returns at most, and of a known secret, decoded."""

_NAME_LENGTH = 100
_ROUNDS = 8  # of decoding: a proxy's error page may encode what was encoded already
_LONGEST_SECRET = 4 * MASK_LIMIT  # characters as they are known; the image's URL has no more
_FRAGMENT = 8  # characters of a secret that are masked wherever they stand
_FEW = 32  # fragments of a short text, each of which is looked for
_SHORTEST_PART = 4  # characters of a secret's beginning that are masked where the examined part ends
_PACKAGE = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - pathlib is slow to import
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - the same
_INSTALLED = f"{os.sep}site-packages{os.sep}"

# What escapes begin with: how many hexadecimal digits follow, and what they encode.
_ESCAPES = {"\\u": (4, "utf-16-be"), "%u": (4, "utf-16-be"), "\\x": (2, "utf-8"), "%": (2, "utf-8")}
# As every name ends, whatever stands before: component_access_token, component_appsecret, ...
_NAMES_OF_SECRETS = "access_token|secret|refresh_token|component_verify_ticket|img_url"


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Compile on first use, and once: most programs never see an error."""
    return re.compile(
        {
            "entities": r"&(?:#0*(\d{1,7});?|#[xX]0*([\da-fA-F]{1,6});?|([a-zA-Z][a-zA-Z\d]{1,30};))",
            "braces": r"()\\+u\{0*([\da-fA-F]{1,6})\}()",
            "ampersands": r"&amp;(?:amp;)+",
            "percents": r"%25(?:25)+",
            "backslashes": r"\\\\+",
            "partial": r"(?:%[\da-fA-F]?|(?:\\+|%)(?:u[\da-fA-F]{0,3}|x[\da-fA-F]?)?|&#?\w{0,10})\Z",
            "pair": rf"(?i)({_NAMES_OF_SECRETS})(=|[\"']\s*:\s*[\"']?)[^&\s\"'<>]+",
            "authorization": r"(?i)\b(basic|bearer) +[\w.~+/=-]+",
            "user": r"//[^/\s@]{1,500}@",
        }[name]
    )


@cache
def _escapes(start: str, digits: int) -> re.Pattern[str]:
    """Compile the pattern for such escapes in a row."""
    one = rf"{re.escape(start)}[\da-fA-F]{{{digits}}}"
    return re.compile(f"{one}(?:{one})*")


def _entity(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return html5.get(name, found[0])
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= sys.maxunicode else ""


def _unescape(text: str, start: str, digits: int, codec: str) -> str:
    def decode(found: re.Match[str]) -> str:
        return bytes.fromhex(found[0].replace(start, "")).decode(codec, "replace")

    return _escapes(start, digits).sub(decode, text)


def _decode_once(text: str) -> str:
    """Undo one level of every encoding, and all levels of one that was applied to itself."""
    before = text
    if "&" in text:
        text = _pattern("ampersands").sub("&amp;", text).replace("&amp;", "&")
        text = _pattern("entities").sub(_entity, text)
    if "\\" in text:
        text = _pattern("braces").sub(_entity, text)
        text = _pattern("backslashes").sub(r"\\", text)
    if "%" in text:
        text = _pattern("percents").sub("%25", text).replace("%25", "%")
    for start, (digits, codec) in _ESCAPES.items():
        if start in text:
            text = _unescape(text, start, digits, codec)
    return text.replace("\\", "") if text == before else text


def _decode(text: str) -> tuple[str, bool]:
    """Undo percent-encoding, and the escapes of JSON and HTML; tell whether nothing is encoded any more."""
    for _ in range(_ROUNDS):
        before, text = text, _decode_once(text)
        if text == before:
            return text, True
    return text, False


def _without_partial(text: str) -> str:
    """Drop what may be the beginning of an escape from the end of a text that was cut there."""
    return text[:-16] + _pattern("partial").sub("", text[-16:])


def _fold(text: str) -> str:
    """Return what of a text is compared: no white space, nothing invisible, no upper case."""
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return text.replace(" ", "").replace("\ufffd", "").replace("İ", "i").lower()


def _folded_places(text: str) -> list[int]:
    """Return where each character of the folded text stands in the text."""
    return [at for at, c in enumerate(text) if c.isprintable() and c not in " \ufffd"]


def _fragments(text: str, places: Iterable[int]) -> list[str]:
    return [text[at : at + _FRAGMENT] for at in places]


def _find_shared(secret: str, fragments: set[str]) -> set[str]:
    """Return those of the fragments that a secret has too; of a long one samples tell where to look."""
    if len(fragments) <= _FEW:
        return {fragment for fragment in fragments if fragment in secret}
    end, step = len(secret) - _FRAGMENT + 1, 1 + 2 * len(secret) // MASK_LIMIT
    hits = [at for at in range(0, end, step) if secret[at : at + _FRAGMENT] in fragments]
    if not hits:
        return set()
    near = range(max(0, hits[0] - step + 1), min(end, hits[-1] + step))
    return fragments.intersection(_fragments(secret, near))


def _runs(flags: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield where each run of ones begins and ends."""
    start = flags.find(1)
    while start != -1:
        stop = flags.find(0, start) % (len(flags) + 1)  # -1 means that it goes on to the end
        yield start, stop
        start = flags.find(1, stop)


def _distinct(known: Iterable[str]) -> list[str]:
    """Return the secrets, each bounded, without the long ones that are parts of others."""
    secrets: list[str] = []
    for secret in sorted((secret[:_LONGEST_SECRET] for secret in known), key=len, reverse=True):
        if len(secret) < MASK_LIMIT or not any(secret in longer for longer in secrets):
            secrets.append(secret)
    return secrets


def _cover(text: str, secrets: Iterable[str], *, is_cut: bool) -> bytearray:
    """Return 1 for each character of a folded text that belongs to a secret, and 0 for the others."""
    covered, found = bytearray(len(text)), list[tuple[int, int]]()
    fragments = _fragments(text, range(len(text) - _FRAGMENT + 1))
    distinct, shared = set(fragments), set[str]()
    for secret in secrets:
        size = len(secret)
        if size < _FRAGMENT:
            found += [(at, at + size) for at in range(len(text)) if text.startswith(secret, at)]
        else:
            shared |= _find_shared(secret, distinct)
        ends = range(_SHORTEST_PART, min(_FRAGMENT, size)) if is_cut else ()
        found += [(len(text) - end, len(text)) for end in ends if text.endswith(secret[:end])]
    hits = _runs(bytes(map(shared.__contains__, fragments)))
    found += [(start, stop + _FRAGMENT - 1) for start, stop in hits]
    for start, stop in found:
        covered[start:stop] = b"\1" * (stop - start)
    return covered


class Secrets:
    """Secrets in hand, made ready once to be looked for in several texts."""

    def __init__(self, known: Iterable[str]) -> None:
        self.folded = {_fold(_decode(secret)[0]) for secret in _distinct(known)} - {""}


def _mask_known(text: str, secrets: set[str], *, is_cut: bool) -> str:
    """Mask secrets, and parts of them, in a decoded text."""
    covered = _cover(_fold(text), secrets, is_cut=is_cut) if secrets else b""
    if 1 not in covered:
        return text
    places, pieces, shown = _folded_places(text), [], 0
    for start, stop in _runs(covered):
        pieces += [text[shown : places[start]], "***"]
        shown = places[stop - 1] + 1
    return "".join([*pieces, text[shown:]])


def mask(text: str, known: Iterable[str] | Secrets = ()) -> str:
    """Return the first MASK_LIMIT characters of a text without secrets.

    Args:
        text: from outside; of any length.
        known: secrets in hand. They are found in upper and lower case, with white space and invisible
            characters inside, plain, percent-encoded, and escaped for JSON, JavaScript or HTML, also if
            several times; and so is every part of 8 characters and more. Besides them, every value with a
            secret's name (``access_token=...``), every Authorization value, and the user part of every URL
            is masked.

    Returns:
        The text as it was if nothing had to be masked, else the decoded text with ``***`` in its place;
        nothing but ``***`` if it is encoded too often to be looked at.
    """
    window, is_cut = text[:MASK_LIMIT], len(text) > MASK_LIMIT
    if is_cut:
        window = _without_partial(window)
    plain, is_plain = _decode(window)
    if not is_plain:
        return "***"
    if is_cut:
        plain = _without_partial(plain)
    secrets = known if isinstance(known, Secrets) else Secrets(known)
    masked = _mask_known(plain, secrets.folded, is_cut=is_cut)
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
    return printable if len(printable) <= _NAME_LENGTH else "…" + printable[1 - _NAME_LENGTH :]


def class_name(value: object) -> str:
    """Return the name of an object's class, for messages."""
    return one_line(type(value).__name__, _NAME_LENGTH)


def function_name(function: object) -> str:
    """Return the name of a caller's function, for messages."""
    name = getattr(function, "__qualname__", None)
    return short_name(name) if isinstance(name, str) else class_name(function)


def _callers_lines(error: BaseException) -> list[tuple[str, int]]:
    """Return file and line of each frame that is neither the standard library's nor wxcv's."""
    lines = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        is_standard = name.startswith(_STANDARD_LIBRARY) and _INSTALLED not in name
        if not is_standard and not name.startswith((_PACKAGE, "<frozen ")):
            lines.append((name, line))
    return lines


def where_raised(error: BaseException) -> str:
    """Return the last file and line of the caller's code through which an error came, or "" if it has none.

    A StopIteration that left a coroutine is the cause of a RuntimeError, which has no such line of its own.
    The error's text is left out, as it may hold a secret.
    """
    lines = _callers_lines(error)
    if not lines and error.__cause__ is not None:
        lines = _callers_lines(error.__cause__)
    own = [line for line in lines if _INSTALLED not in line[0]] or lines[:1]
    return f"{short_name(own[-1][0])}:{own[-1][1]}" if own else ""
