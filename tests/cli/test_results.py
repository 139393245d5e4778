"""``wxcv results``: what a journal holds, as a table, JSON or CSV."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from rich.cells import cell_len
from support import pictures
from support.commands import command, environment, run
from support.journals import read_entries
from support.pages import COMM, QRCODE
from support.recorded_runs import REFUSED, record_run, run_against, run_bytes, run_on_terminal

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BAD = pictures.PNG + b"refused"
FORMATS = ["table", "jsonl", "csv"]
FIELDS = [field.name for field in attrs.fields(wxcv.JournalEntry)]
HOSTILE = "a\x1b[31m\x9b2J\u202eb\u2066\x00\x07\x7f\r\nc"
"""Controls of terminals, also eight-bit ones, and of the direction of text."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The path of a journal that is not there yet."""
    return tmp_path / "run.sqlite"


def write_images(folder: Path, **images: bytes) -> list[str]:
    """Write image files and return their names."""
    paths = [folder / f"{name}.png" for name in images]
    for path, data in zip(paths, images.values(), strict=True):
        path.write_bytes(data)
    return [str(path) for path in paths]


def read_csv(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV output."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def expected(entry: wxcv.JournalEntry) -> dict[str, Any]:
    """Return the fields of an entry as JSON has them."""
    fields = attrs.asdict(entry, recurse=False)
    return {**fields, "ended_at": entry.ended_at.isoformat() if entry.ended_at else None}


async def test_a_table_has_a_line_for_each_image(tmp_path: Path, journal: Path) -> None:
    """A line has the status, the endpoint's name, the sends, the image, and what was read or went wrong."""
    names = write_images(tmp_path, good=pictures.PNG, bad=BAD)
    await record_run(journal, [*names, str(tmp_path / "missing.png")])
    code, out, err = await run("results", str(journal))
    lines = {re.split(r"[/ ]+", line)[-1]: line for line in out.splitlines()}

    assert code == 0
    assert out.splitlines()[0].split("  ")[0] == "status"
    (good,) = [line for line in lines.values() if "good.png" in line]
    (bad,) = [line for line in lines.values() if "bad.png" in line]
    (missing,) = [line for line in lines.values() if "missing.png" in line]
    assert re.fullmatch(rf"ok +scan_qrcode +1 +{re.escape(names[0])} +QR_CODE seen", good)
    assert re.match(rf"failed +scan_qrcode +1 +{re.escape(names[1])} .*{REFUSED}", bad)
    assert re.match(r"failed +scan_qrcode +0 +\S+missing.png +\S", missing)
    assert err == "wxcv: 3 results: 1 ok, 2 failed\n"


async def test_the_columns_of_a_table_are_aligned(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head and all rows have their cells in the same columns, also after wide characters."""
    monkeypatch.chdir(tmp_path)
    names = [f"{name}.png" for name in ("快递单", "a-name-that-is-longer")]
    for number, name in enumerate(names):
        Path(name).write_bytes(pictures.qr_png(str(number)))
    await record_run(journal, names)
    _, out, _ = await run("results", str(journal))
    head, *rows = out.splitlines()
    starts = {cell_len(row[: row.index("QR_CODE")]) for row in rows}

    assert len(rows) == 2
    assert starts == {head.index("answer or error")}


async def test_json_has_every_field_of_an_entry(tmp_path: Path, journal: Path) -> None:
    """A line of jsonl is an object with the fields of a JournalEntry, the time as ISO 8601 in UTC."""
    await record_run(journal, write_images(tmp_path, good=pictures.PNG, bad=BAD))
    code, out, err = await run("results", str(journal), "--format", "jsonl")
    objects = [json.loads(line) for line in out.splitlines()]

    assert (code, err) == (0, "")
    assert objects == [expected(entry) for entry in await read_entries(journal)]
    assert {one["status"] for one in objects} == {"ok", "failed"}
    assert all(one["ended_at"].endswith("+00:00") for one in objects)


async def test_csv_has_the_same_fields(tmp_path: Path, journal: Path) -> None:
    """A row of csv has the fields of an entry; objects and flags are JSON, and what is missing is empty."""
    data = pictures.PNG + b"comma"
    await record_run(
        journal, write_images(tmp_path, **{'a, "b"\r\n': data, "bad": BAD}), {data: 'x,"y"\r\nz\r'}
    )
    code, out, _ = await run("results", str(journal), "--format", "csv")
    rows, entries = read_csv(out), await read_entries(journal)

    assert code == 0
    assert list(rows[0]) == FIELDS
    assert [row["image"] for row in rows] == [entry.image for entry in entries]
    for row, entry in zip(rows, map(expected, entries), strict=True):
        for name, value in entry.items():
            is_json = isinstance(value, (dict, bool))
            assert (json.loads(row[name]) if is_json else row[name]) == (
                value if is_json else "" if value is None else str(value)
            )


async def test_names_that_are_not_utf_8_survive(tmp_path: Path, journal: Path) -> None:
    """jsonl escapes the odd bytes of a name as os.fsdecode does, and csv has them as they are."""
    name = os.fsencode(tmp_path) + b"/\xff\x9b \xe7\xa0\x81.png"
    Path(os.fsdecode(name)).write_bytes(pictures.PNG)
    await record_run(journal, [os.fsdecode(name)])
    lines = run_bytes("results", str(journal), "--format", "jsonl")
    rows = run_bytes("results", str(journal), "--format", "csv")
    table = run_bytes("results", str(journal))

    assert os.fsencode(json.loads(lines.stdout)["image"]) == name
    assert b"/\\udcff\\udc9b \xe7\xa0\x81.png" in lines.stdout
    assert b"/\xff\x9b \xe7\xa0\x81.png," in rows.stdout
    assert b"/\\udcff\\udc9b \xe7\xa0\x81.png" in table.stdout
    assert {lines.returncode, rows.returncode, table.returncode} == {0}


async def test_a_status_and_an_endpoint_select(tmp_path: Path, journal: Path) -> None:
    """--status takes several words or one with commas; --endpoint a name, with - or _, or a path."""
    names = write_images(tmp_path, good=pictures.PNG, bad=BAD)
    await record_run(journal, names)
    await record_run(journal, names[:1], endpoint=wxcv.PRINTED_TEXT)

    async def selected(*words: str) -> list[tuple[str, str]]:
        code, out, err = await run("results", str(journal), "--format", "jsonl", *words)
        assert (code, err) == (0, "")
        return sorted((row["endpoint"], row["status"]) for row in map(json.loads, out.splitlines()))

    everything = [(QRCODE, "failed"), (QRCODE, "ok"), (COMM, "ok")]
    assert await selected() == everything
    assert await selected("--status", "ok,failed") == everything
    assert await selected("--status", "ok", "--status", "failed") == everything
    assert await selected("--status", "failed") == everything[:1]
    assert await selected("--status", "unknown,not_sent") == []
    for endpoint in ("printed-text", "printed_text", COMM):
        assert await selected("--endpoint", endpoint) == [(COMM, "ok")]
    assert await selected("--endpoint", COMM, "--status", "failed") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--status", "good"), "no status 'good'; there are ok, failed, not_sent, unknown"),
        (("--endpoint", "nothing"), "no endpoint 'nothing'"),
        (("--format", "xml"), "'xml' is not one of"),
        (("--forget", "*", "--status", "ok"), "--forget takes no other option"),
        (("--forget", "*", "--output", "x"), "--forget takes no other option"),
        (("--forget", ""), "--forget must be printable and not empty"),
        (("--forget", "a\n"), "--forget must be printable and not empty"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_told(journal: Path, words: tuple[str, ...], said: str) -> None:
    """What is wrong with an option is told before the journal is looked at, with exit code 2."""
    code, out, err = await run("results", str(journal), *words, env={"COLUMNS": "300"})

    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("form", FORMATS)
async def test_a_terminal_gets_no_control_characters(tmp_path: Path, journal: Path, form: str) -> None:
    """Neither a name nor an answer brings a control character to a terminal, not even U+009B or U+202E."""
    name = os.fsdecode(os.fsencode(tmp_path / "x") + HOSTILE.replace("\x00", "").encode() + b"/\x9b\xff.png")
    Path(name).parent.mkdir()
    Path(name).write_bytes(pictures.PNG)
    await record_run(journal, [name], {pictures.PNG: HOSTILE})
    code, out = run_on_terminal("results", str(journal), "--format", form)
    shown = out.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\n", "")  # the head of a table is bold

    assert code == 0
    assert "QR_CODE" in out
    assert [c for c in shown if unicodedata.category(c)[0] == "C"] == []
    assert len(out.splitlines()) == (1 if form == "jsonl" else 2)


async def test_a_run_that_writes_is_shown(tmp_path: Path, journal: Path) -> None:
    """While the run has the journal open, every outcome that it has given is shown."""
    names = write_images(tmp_path, **{f"n{number}": pictures.qr_png(str(number)) for number in range(4)})
    async with (
        run_against({}) as session,
        wxcv.Journal(journal) as opened,
        session.batch(wxcv.SCAN_QRCODE, names, journal=opened) as outcomes,
    ):
        given = {(await anext(outcomes)).item for _ in range(3)}
        code, out, err = await run("results", str(journal), "--format", "jsonl")

    assert (code, err) == (0, "")
    assert given <= {json.loads(line)["image"] for line in out.splitlines()}


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder with a copy of a journal that a run has open, and what makes a command see it read-only."""
    folder, words = tmp_path / "copy", []
    folder.mkdir()
    if os.geteuid() == 0:  # who may write everywhere, but on a file system that is read-only
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", mount, str(folder)]
        if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False).returncode:  # noqa: S603
            pytest.skip("root may not mount here")
    yield folder, words
    folder.chmod(0o700)


async def test_a_copy_in_a_read_only_folder_is_shown(
    tmp_path: Path, journal: Path, read_only: tuple[Path, list[str]]
) -> None:
    """Of a copy that nobody can write all is shown but what is in its -wal, and a line says so."""
    names = write_images(tmp_path, old=pictures.PNG + b"old", new=pictures.PNG + b"new")
    folder, words = read_only
    await record_run(journal, names[:1])
    async with (
        run_against({}) as session,
        wxcv.Journal(journal) as opened,
        session.batch(wxcv.SCAN_QRCODE, names, journal=opened) as outcomes,
    ):
        async for _ in outcomes:
            for path in journal.parent.glob("run.sqlite*"):
                shutil.copy(path, folder)
    (folder / "run.sqlite-shm").unlink()
    folder.chmod(0o500)
    done = run_bytes("results", str(folder / "run.sqlite"), "--format", "jsonl", before=words)

    assert done.returncode == 0
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == names[:1]
    assert b"wxcv: the newest entries are in run.sqlite-wal" in done.stderr


@pytest.mark.parametrize("words", [(), ("--forget", "*")], ids=["show", "forget"])
@pytest.mark.parametrize("content", [None, b"my shopping list\n" * 99], ids=["missing", "text"])
async def test_what_is_no_journal_is_told(
    journal: Path, content: bytes | None, words: tuple[str, ...]
) -> None:
    """A missing file and one of something else give a line and exit code 5, and stay as they are."""
    if content is not None:
        journal.write_bytes(content)
    code, out, err = await run("results", str(journal), *words)

    assert (code, out) == (5, "")
    assert len(err.splitlines()) == 1
    assert "run.sqlite" in err
    assert [path.name for path in journal.parent.iterdir()] == ([journal.name] if content else [])
    assert content is None or journal.read_bytes() == content


async def end_by(journal: Path, end: Callable[[asyncio.subprocess.Process, int], None]) -> tuple[int, bytes]:
    """Print a long answer to a pipe, of which one byte is read before ``end`` gets command and pipe."""
    reader, writer = os.pipe()
    words = ("results", str(journal), "--format", "jsonl")
    try:
        async with command(*words, env=environment(), stdout=writer) as process:
            os.close(writer)
            await asyncio.to_thread(os.read, reader, 1)
            end(process, reader)
            _, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        with contextlib.suppress(OSError):  # closed by the test
            os.close(reader)
    return process.returncode or 0, err


async def test_a_closed_pipe_ends_it(tmp_path: Path, journal: Path) -> None:
    """When nobody reads its output any more, the command ends with 141 and without a word."""
    await record_run(journal, write_images(tmp_path, a=pictures.PNG), {pictures.PNG: "x" * 500_000})

    assert await end_by(journal, lambda _process, reader: os.close(reader)) == (141, b"")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_it_while_nobody_reads(
    tmp_path: Path, journal: Path, number: signal.Signals, code: int
) -> None:
    """A signal ends the command also while it waits for the reader of its output."""
    await record_run(journal, write_images(tmp_path, a=pictures.PNG), {pictures.PNG: "x" * 500_000})

    assert await end_by(journal, lambda process, _reader: process.send_signal(number)) == (code, b"")
