"""The words of the command line that name images: folders, patterns and lists."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from wxcv.cli.inputs import expand, may_be_several
from wxcv.cli.lists import LONGEST_LINE, InputError, ListProblems, names_of_lines

if TYPE_CHECKING:
    from pathlib import Path

ODD = os.fsdecode(b"bad\xff\n.JPG")
"""A name that is not UTF-8, with a line break."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pictures in it, and in a folder."""
    for name in ("a.png", "b.HEIC", "notes.txt", "sub/c.jpg", f"sub/{ODD}"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*words: str, include: tuple[str, ...] = (), column: str | None = "image") -> list[str]:
    """Return the names in order."""
    return sorted(expand(words, include=include, column=column))


def problems(*words: str, column: str = "image") -> tuple[list[str], list[str]]:
    """Return the names, and what was wrong with the lists."""
    found = ListProblems()
    return list(expand(words, column=column, problems=found)), list(found.describe())


def split(data: bytes) -> list[str]:
    """Return the names in a list on standard input."""
    return list(names_of_lines(io.BytesIO(data).read1, "standard input"))


def test_a_folder_is_walked_for_what_is_wanted() -> None:
    """Folders are read with all folders in them: files with suffixes of images, or that match --include."""
    assert names(".") == sorted(["./a.png", "./sub/c.jpg", f"./sub/{ODD}"])
    assert names("sub", include=("*.jpg",)) == sorted(["sub/c.jpg", f"sub/{ODD}"])
    assert names(".", include=("*.heic", "a.*")) == ["./a.png", "./b.HEIC"]


def test_a_pattern_is_what_it_matches() -> None:
    """Patterns match files and folders; one that matches nothing is a name, which will fail as an image."""
    assert names("*.png", "s*") == sorted(["a.png", "sub/c.jpg", f"sub/{ODD}"])
    assert names("**/*.jpg") == ["sub/c.jpg"]
    assert names("**", include=("*.jpg",)) == sorted(
        ["a.png", "b.HEIC", "notes.txt", "sub/c.jpg", f"sub/{ODD}"]
    )
    assert names("*.gif", "https://h/a?b=[1]") == ["*.gif", "https://h/a?b=[1]"]


def test_a_pattern_or_a_list_may_be_several(folder: Path) -> None:
    """A folder, a pattern and a list may name several images; a file or a URL with such a name is one."""
    (folder / "[a].png").write_bytes(b"x")

    assert all(may_be_several([word]) for word in ("*.png", "sub", "-", "@list.txt"))
    assert not any(may_be_several([word]) for word in ("a.png", "[a].png", "https://h/a?b=[1]"))


def test_a_file_of_that_very_name_is_an_image(folder: Path) -> None:
    """A file whose name is like a pattern or a list is taken for an image."""
    for name in ("[a].png", "@a.png", "*.png"):
        (folder / name).write_bytes(b"x")

    assert names("[a].png", "@a.png", "*.png") == ["*.png", "@a.png", "[a].png"]


def test_a_list_has_lines_or_nul_bytes(folder: Path) -> None:
    """Names are separated by line breaks of any kind, or by NUL bytes, and may have any other byte."""
    raw = os.fsencode(ODD)
    (folder / "list.txt").write_bytes(b"a.png\r\n\nbad\xff.png\nlast")
    (folder / "nul.txt").write_bytes(raw + b"\0a.png\0")

    assert list(expand(["@list.txt"])) == ["a.png", os.fsdecode(b"bad\xff.png"), "last"]
    assert list(expand(["@nul.txt"])) == [ODD, "a.png"]


def test_a_list_is_bounded(folder: Path) -> None:
    """A line of more than 64 KiB, and NUL bytes that come late, are refused; long lists are read in parts."""
    many = [f"{number:0100}" for number in range(10_000)]
    assert split("\n".join(many).encode()) == split("\0".join(many).encode()) == many
    assert split(b"x" * LONGEST_LINE) == ["x" * LONGEST_LINE]
    for long in (b"x" * (LONGEST_LINE + 1), b"x" * (5 * LONGEST_LINE) + b"\n"):
        with pytest.raises(InputError, match="more than 65,536 bytes"):
            split(long)
    with pytest.raises(InputError, match="both lines and NUL bytes"):
        split(b"a\n" * LONGEST_LINE + b"b\0c\0")
    for name in ("long.csv", "long.jsonl"):
        (folder / name).write_bytes(b'image\n"' + b"x\n" * LONGEST_LINE)
        _, (problem,) = problems(name)
        assert ("bytes; is it really a list" if "csv" in name else "is not JSON") in problem


def test_a_column_of_csv_has_names(folder: Path) -> None:
    """Names come from a column of CSV with quotes, line breaks, a byte order mark, and bytes not of UTF-8."""
    raw = os.fsencode(ODD)
    (folder / "list.csv").write_bytes(b'\xef\xbb\xbf"image",n\n"' + raw + b'",1\n\n,2\na.png,"3\n4"\n')

    assert list(expand(["list.csv"], column="image")) == [ODD, "a.png"]
    assert list(expand(["list.csv"], column="n")) == ["1", "2", "3\n4"]
    assert list(expand(["list.csv"])) == ["list.csv"]
    message = "list.csv has no column 'x'; give one with --column: 'image', 'n'"
    assert problems("list.csv", column="x") == ([], [message])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('image\n"' + "x" * 200_000 + '"\n', "line 2 of bad.csv has more than 65,536 bytes"),
        ("image\na\0b\n", "line 2 of bad.csv has a name that no file can have"),
        ("", "bad.csv has no column 'image'"),
    ],
    ids=["long", "nul", "empty"],
)
def test_csv_that_is_wrong_names_its_line(folder: Path, text: str, message: str) -> None:
    """What is wrong with CSV is told with the number of the line."""
    (folder / "bad.csv").write_text(text)
    _, (problem,) = problems("bad.csv")

    assert problem.startswith(message)


def test_objects_on_lines_have_names(folder: Path) -> None:
    """Names come from the objects of a .jsonl file, those that are not UTF-8 too."""
    lines = [json.dumps({"image": name}) for name in (ODD, "a.png")]
    (folder / "list.JSONL").write_text("\n\n".join(lines))

    assert list(expand(["list.JSONL"], column="image")) == [ODD, "a.png"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 60_000, "is not JSON"),
        ("[1]", "is not a JSON object"),
        (r'{"image": "\ud800"}', "has a name that no file can have"),
        (r'{"image": "\u0000"}', "has a name that no file can have"),
    ],
)
def test_objects_that_are_wrong_name_their_line(folder: Path, line: str, message: str) -> None:
    """A line that cannot be read is told with its number and ends its list, but not the lists after it."""
    (folder / "bad.jsonl").write_text(f'{{"image": "a.png"}}\n{line}\n{{"image": "not read"}}')
    (folder / "list.txt").write_text("b.png")

    assert problems("bad.jsonl", "@list.txt") == (
        ["a.png", "b.png"],
        [f"line 2 of bad.jsonl {message}; the rest of it was not tried"],
    )


def test_rows_without_a_name_are_counted(folder: Path) -> None:
    """A row has no name if its cell is empty or missing, or its value is missing, empty or no text."""
    (folder / "list.csv").write_text("n,image\n1,a.png\n2,\n3\n4,  \n\n5,b.png\n")
    rows = [{"image": "c.png"}, {"image": ""}, {"image": None}, {"image": 5}, {"name": "x"}, {"image": "d"}]
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))

    assert problems("list.csv") == (["a.png", "b.png"], ["skipped 3 rows that have no name of an image"])
    assert problems("list.jsonl") == (["c.png", "d"], ["skipped 4 rows that have no name of an image"])


def test_the_head_of_csv_does_not_count_for_its_first_record(folder: Path) -> None:
    """A head and a first record of 40 KiB each are within the limit of 64 KiB for one record."""
    (folder / "list.csv").write_text(f"image,{'h' * 40_000}\na.png,{'x' * 40_000}\n")

    assert problems("list.csv") == (["a.png"], [])


def test_a_list_that_cannot_be_read_is_told() -> None:
    """A list that is missing or a folder is one error with the system's reason."""
    assert problems("@missing.txt", "@sub", "a.png") == (
        ["a.png"],
        ["cannot read missing.txt: No such file or directory", "cannot read sub: Is a directory"],
    )
