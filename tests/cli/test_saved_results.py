"""``wxcv results``: saving what a journal holds, and deleting from it."""

from __future__ import annotations

import json
import resource
import stat
from pathlib import Path

import pytest
from support import pictures
from support.commands import run
from support.journals import read_entries
from support.recorded_runs import record_run, run_bytes

import wxcv

LARGE = pictures.PNG + b"large"


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A journal of a run over three files, beside a folder ``out``."""
    (tmp_path / "out").mkdir()
    names = ["cat.png", "dog.png", "dog.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(pictures.PNG + name.encode())
    answers = {pictures.PNG + b"cat.png": "MARKED-CAT", pictures.PNG + b"dog.png": "MARKED-DOG"}
    await record_run(tmp_path / "run.sqlite", [str(tmp_path / name) for name in names], answers)
    return tmp_path / "run.sqlite"


def contents(folder: Path) -> dict[str, str]:
    """Return the texts of the files in a folder."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def bytes_of(journal: Path) -> bytes:
    """Return what the journal and the files beside it hold."""
    return b"".join(path.read_bytes() for path in journal.parent.glob("run.sqlite*"))


async def test_a_file_of_results_is_private_and_complete(journal: Path) -> None:
    """--output writes what would be printed, replaces an older file, and lets only its owner read it."""
    target = journal.parent / "out" / "results.jsonl"
    target.write_text("old")
    target.chmod(0o644)
    _, printed, _ = await run("results", str(journal), "--format", "jsonl")
    code, out, err = await run("results", str(journal), "--format", "jsonl", "--output", str(target))

    assert (code, out, err) == (0, "", "")
    assert contents(target.parent) == {"results.jsonl": printed}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_a_link_is_followed(journal: Path) -> None:
    """--output of a symbolic link replaces the file that it leads to."""
    link, target = journal.parent / "link", journal.parent / "out" / "results"
    link.symlink_to(target)
    code, _, _ = await run("results", str(journal), "--format", "csv", "--output", str(link))

    assert code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("image,")


async def test_the_old_file_stays_if_the_journal_fails(journal: Path) -> None:
    """A journal that cannot be read leaves the old results, and nothing beside them."""
    target = journal.parent / "out" / "results"
    target.write_text("old")
    journal.write_bytes(b"no journal any more")
    code, _, err = await run("results", str(journal), "--output", str(target))

    assert (code, len(err.splitlines())) == (5, 1)
    assert contents(target.parent) == {"results": "old"}


async def test_the_old_file_stays_if_there_is_no_room(tmp_path: Path) -> None:
    """A file that cannot be written to its end leaves the old results, and nothing beside them."""
    journal, folder = tmp_path / "run.sqlite", tmp_path / "out"
    folder.mkdir()
    (folder / "results").write_text("old")
    image = tmp_path / "a.png"
    image.write_bytes(LARGE)
    await record_run(journal, [str(image)], {LARGE: "x" * 600_000})
    done = run_bytes(
        *("results", str(journal), "--format", "jsonl", "--output", str(folder / "results")),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"/results: File too large; an older file stays as it was" in done.stderr
    assert contents(folder) == {"results": "old"}


@pytest.mark.parametrize("name", ["out", "run.sqlite", "link", "run.sqlite.lock", "/dev/null"])
async def test_what_must_not_be_replaced_is_refused(journal: Path, name: str) -> None:
    """--output refuses a folder, a device, the journal, a link to it, and what belongs to it."""
    (journal.parent / "link").symlink_to(journal)
    (journal.parent / "run.sqlite.lock").touch()
    before = journal.read_bytes()
    target = journal.parent / name
    code, _, err = await run("results", str(journal), "--output", str(target), env={"COLUMNS": "300"})

    assert code == 2
    assert "the journal itself or belongs to it" in err or "is a directory or a device" in err
    assert journal.read_bytes() == before
    assert target.exists()
    assert not target.is_file() or target.name != "null"


async def test_a_folder_that_is_missing_is_told(journal: Path) -> None:
    """--output in a folder that is not there gives a line and exit code 1."""
    target = journal.parent / "nowhere" / "results"
    code, _, err = await run("results", str(journal), "--output", str(target))

    assert code == 1
    assert err == f"wxcv: cannot write {target}: No such file or directory; an older file stays as it was\n"


async def test_forget_deletes_what_matches(journal: Path) -> None:
    """--forget deletes matching images and their answers, of which nothing stays in the files, and counts."""
    code, out, err = await run("results", str(journal), "--forget", "dog.*")

    assert (code, out, err) == (0, "", "wxcv: deleted 2 images and 2 results\n")
    assert [Path(entry.image).name for entry in await read_entries(journal)] == ["cat.png"]
    assert b"MARKED-CAT" in bytes_of(journal)
    assert b"MARKED-DOG" not in bytes_of(journal)
    assert b"dog." not in bytes_of(journal)


async def test_forget_says_when_nothing_matches(journal: Path) -> None:
    """--forget of a pattern that matches nothing deletes nothing, and says so."""
    code, _, err = await run("results", str(journal), "--forget", "*.gif")

    assert (code, err) == (0, "wxcv: deleted 0 images and 0 results\n")
    assert len(await read_entries(journal)) == 3


async def test_forget_waits_for_no_run(journal: Path) -> None:
    """While a run has the journal open, --forget deletes nothing and exits with 5."""
    async with wxcv.Journal(journal):
        code, _, err = await run("results", str(journal), "--forget", "*")

    assert (code, len(err.splitlines())) == (5, 1)
    assert len(await read_entries(journal)) == 3


async def test_an_empty_selection_is_an_empty_file(journal: Path) -> None:
    """Results that nothing matches are written too: an empty file replaces the old one."""
    target = journal.parent / "out" / "results"
    target.write_text(json.dumps("old"))
    words = ("--format", "jsonl", "--status", "unknown", "--output", str(target))
    code, _, _ = await run("results", str(journal), *words)

    assert (code, contents(target.parent)) == (0, {"results": ""})
