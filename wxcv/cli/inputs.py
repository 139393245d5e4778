"""The words on the command line that name images: paths, URLs, folders, patterns and lists of names."""

from __future__ import annotations

import fnmatch
import glob
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wxcv.cli.lists import InputError, ListProblems, names_in_csv, names_in_json_lines, names_of_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""The suffixes of the files that are read from a folder by default."""

_RECORDS = {".csv": names_in_csv, ".jsonl": names_in_json_lines}


def expand(
    words: Sequence[str],
    *,
    include: Sequence[str] = (),
    column: str | None = None,
    problems: ListProblems | None = None,
) -> Iterator[str]:
    """Yield the names of the images, each as soon as it is found.

    A folder is walked, a pattern is replaced by what it matches, ``-`` is a list on standard input, and
    ``@PATH`` is the list in that file. A word that looks like a pattern or a list, but is the name of an
    existing file, is an image.

    Args:
        words: from the command line.
        include: patterns for the names of the files that are read from folders, whatever their case; () for
            all with one of the `SUFFIXES`.
        column: the column of .csv files, or key in the objects of .jsonl files, that has the names; None
            takes such files for images.
        problems: gets what is wrong with lists.
    """
    wanted = [pattern.lower() for pattern in include]
    problems = ListProblems() if problems is None else problems
    for word in words:
        try:
            yield from _expand_word(word, wanted, column, problems)
        except InputError as error:
            problems.errors.append(error)


def _expand_word(
    word: str, wanted: Sequence[str], column: str | None, problems: ListProblems
) -> Iterator[str]:
    """Yield the names for one word.

    Raises:
        InputError: it is a list that cannot be read to its end.
    """
    if word == "-":
        yield from _names_on_stdin()
    elif "://" in word:
        yield word
    elif os.path.isdir(word):  # noqa: PTH112 - a name may be anything
        yield from _names_in_folder(word, wanted)
    elif column is not None and is_record_list(word):
        names = _RECORDS[Path(word).suffix.lower()]
        yield from _read_list(word, lambda file, place: names(file, place, column, problems))
    elif os.path.lexists(word):
        yield word
    elif word.startswith("@"):
        yield from _read_list(word[1:], lambda file, place: names_of_lines(file.read1, place))
    elif glob.has_magic(word):
        yield from _names_matching(word, wanted)
    else:
        yield word


def is_record_list(word: str) -> bool:
    """Return whether a word is the path of a .csv or .jsonl file."""
    return "://" not in word and Path(word).suffix.lower() in _RECORDS


def _is_wanted(name: str, wanted: Sequence[str]) -> bool:
    if not wanted:
        return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - quicker than a Path
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in wanted)


def _names_in_folder(folder: str, wanted: Sequence[str] = ()) -> Iterator[str]:
    """Yield the images in a folder, then the folders in it that cannot be listed: each fails as an image."""
    unreadable: list[str] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        folders.sort()
        for name in sorted(files):
            if _is_wanted(name, wanted):
                yield os.path.join(place, name)  # noqa: PTH118 - Path would drop a leading "./"
    yield from unreadable


def _names_matching(pattern: str, wanted: Sequence[str]) -> Iterator[str]:
    """Yield what a pattern matches, and the images in matching folders; the pattern itself if there is none.

    A pattern with ``**`` matches the files in all folders itself.
    """
    is_recursive, is_matching = "**" in pattern, False
    for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - pathlib's is not lazy, and drops "./"
        is_matching = True
        if not os.path.isdir(name):  # noqa: PTH112
            yield name
        elif not is_recursive:
            yield from _names_in_folder(name, wanted)
    if not is_matching:
        yield pattern


def _names_on_stdin() -> Iterator[str]:
    if sys.stdin is None:
        raise InputError("cannot read standard input: it is closed")
    # Without its buffer, whose lock a thread that waits for input would hold when Python ends.
    read = partial(os.read, sys.stdin.fileno())
    yield from _guard(lambda: names_of_lines(read, "standard input"), "standard input")


def _read_list(path: str, names: Callable[[BufferedReader, str], Iterator[str]]) -> Iterator[str]:
    def read() -> Iterator[str]:
        with open(path, "rb") as file:  # noqa: PTH123 - a name may be anything
            yield from names(file, path)

    yield from _guard(read, path)


def _guard(read: Callable[[], Iterator[str]], place: str) -> Iterator[str]:
    """Yield the names; raise InputError if the system cannot read them."""
    try:
        yield from read()
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise InputError(f"cannot read {place}: {reason}")


def may_be_several(words: Sequence[str]) -> bool:
    """Return whether these words may name several images, even if they name one."""
    if len(words) != 1 or words[0] == "-" or os.path.isdir(words[0]):  # noqa: PTH112 - a name may be anything
        return True
    is_name = "://" in words[0] or os.path.lexists(words[0])
    return not is_name and (words[0].startswith("@") or glob.has_magic(words[0]))
