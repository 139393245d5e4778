"""``wxcv batch``: what is sent in one run and in the next."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import command, environment, run
from support.held_calls import Held, objects
from support.pages import QRCODE
from support.sandbox_calls import Now
from support.servers import answer, api_server

import wxcv
from wxcv.sandbox import Quota, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

JOURNAL = "wxcv-scan-qrcode.sqlite"


class Counting:
    """Answers calls, or refuses them with an errcode, and counts them."""

    def __init__(self) -> None:
        self.calls = 0
        self.errcode = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        await request.read()
        self.calls += 1
        return answer(errcode=self.errcode, errmsg="scripted", code_results=[])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with 12 different pictures and a text in the folder "in"."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        (tmp_path / "in" / f"{number:02}.png").write_bytes(pictures.qr_png(f"code {number}"))
    (tmp_path / "in" / "text.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def account(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with an account of the server, and a state folder of the test's."""
    return environment(url, XDG_STATE_HOME=str(folder / "state"), **more)


async def test_the_same_command_goes_on(folder: Path) -> None:
    """A second run takes everything from the journal, which is named at the start; nothing is sent again."""
    server = Counting()
    async with api_server(server.call) as url:
        first = await run("batch", "scan-qrcode", "in", "--json", env=account(url, folder))
        code, out, err = await run("batch", "scan-qrcode", "in", "--json", env=account(url, folder))
    before, after = objects(first[1]), objects(out)

    assert (first[0], code, server.calls) == (0, 0, 12)
    assert {(row["source"], row["sends"], row["error"]) for row in before} == {("wechat", 1, None)}
    assert {(row["source"], row["sends"], row["status"]) for row in after} == {("journal", 0, "ok")}
    assert {row["image"]: row["answers"] for row in before} == {row["image"]: row["answers"] for row in after}
    assert err.startswith(f"wxcv: journal: {JOURNAL} (the same command resumes from it)\n")
    assert "12 images in 0:00:" in err
    assert ": 12 ok (12 without a call)" in err
    assert stat.S_IMODE((folder / JOURNAL).stat().st_mode) == 0o600


async def test_a_sandbox_has_the_same_account_in_every_run(folder: Path) -> None:
    """With --sandbox, too, the second run takes everything from the journal of the endpoint."""
    codes = [await run("batch", "ai-crop", "in/0*.png", "--sandbox", "--json") for _ in range(2)]

    assert [code for code, _, _ in codes] == [0, 0]
    assert [{row["source"] for row in objects(out)} for _, out, _ in codes] == [{"wechat"}, {"journal"}]
    assert (folder / "wxcv-ai-crop.sqlite").exists()


async def test_all_kinds_of_inputs_are_read(folder: Path) -> None:
    """Files, folders, patterns, lists, columns, standard input and URLs are images of one run."""
    odd = os.fsdecode(b"bad\xff.png")
    (folder / odd).write_bytes(pictures.qr_png("odd"))
    (folder / "list.txt").write_text("in/04.png\n")
    (folder / "list.csv").write_text("n,file\n1,in/05.png\n")
    (folder / "list.jsonl").write_text('{"file": "in/06.png"}')
    url_of_image = "https://example.com/a.png"
    words = ["in/00.png", "in/0[12].png", "sub", "@list.txt", "list.csv", "list.jsonl", "-", url_of_image]
    (folder / "sub").mkdir()
    (folder / "sub" / "photo.dat").write_bytes(pictures.qr_png("sub"))
    async with api_server(Counting().call) as url:
        code, out, _ = await run(
            *("batch", "scan-qrcode", *words, "--include", "*.DAT", "--column", "file", "--json"),
            env=account(url, folder),
            stdin=b"in/03.png\0bad\xff.png\0",
        )

    assert code == 0
    assert sorted(row["image"] for row in objects(out)) == sorted(
        [*(f"in/0{number}.png" for number in range(7)), "sub/photo.dat", odd, url_of_image]
    )


async def test_what_failed_is_sent_again_when_it_is_asked_for(folder: Path) -> None:
    """A run leaves alone what failed before, and tells the remedy; --retry failed sends it again."""
    server = Counting()
    server.errcode = 101002
    async with api_server(server.call) as url:
        env, words = account(url, folder), ("batch", "scan-qrcode", "in/0*")
        failed = await run(*words, env=env)
        sent = server.calls
        server.errcode = 0
        again = await run(*words, env=env)
        sent_again = server.calls - sent
        retried = await run(*words, "--retry", "failed,unknown", env=env)

    assert (failed[0], again[0], retried[0]) == (1, 1, 0)
    assert (sent_again, server.calls - sent) == (0, 10)
    assert ": 10 failed\nwxcv:   10 x errcode 101002: " in failed[2]
    assert "what to do about it: " in failed[2]


async def test_a_limit_is_that_of_one_run(folder: Path) -> None:
    """``--limit 5`` sends five images, and the next run five others; the rest is told."""
    server = Counting()
    async with api_server(server.call) as url:
        words = ("batch", "scan-qrcode", "in", "--limit", "5")
        first = await run(*words, env=account(url, folder))
        second = await run(*words, env=account(url, folder))

    assert (first[0], second[0], server.calls) == (0, 0, 10)
    assert "7 images were not tried; --limit 5 is reached; run the same command to resume" in first[2]


async def test_a_daily_limit_lasts_over_runs(folder: Path) -> None:
    """``--daily-limit`` counts all runs in a file of the user's own, which is named; exit code 4."""
    server = Counting()
    words = ("batch", "scan-qrcode", "in", "--daily-limit", "5")
    async with api_server(server.call) as url:
        first = await run(*words, env=account(url, folder))
        second = await run(*words, "--journal", "other.sqlite", env=account(url, folder))
    state = folder / "state" / "wxcv"

    assert (first[0], second[0], server.calls) == (4, 4, 5)
    assert f"--daily-limit counts in {state / 'store.sqlite'}" in first[2]
    assert "the quota is used up; run the same command after 20" in second[2]
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


async def test_the_end_of_the_quota_is_told(folder: Path) -> None:
    """When WeChat's quota ends, the exit code is 4, and the message says when to resume."""
    async with Sandbox(clock=Now(), quota=Quota(per_day=5)) as box:
        env = account(box.base_url, folder, WXCV_APPID=box.appid, WXCV_SECRET=box.secret)
        code, out, err = await run("batch", "scan-qrcode", "in", "--json", "--concurrency", "2", env=env)
        spent = box.usage(QRCODE).day
    rows = objects(out)

    assert (code, spent) == (4, 5)
    assert [row["status"] for row in rows].count("ok") == 5
    assert len(rows) < 12
    assert "images were not tried; the quota is used up; run the same command after " in err
    assert "to resume, or add --wait" in err


async def test_a_limit_in_the_sandbox_ends_with_the_run() -> None:
    """With --sandbox a daily limit counts one run, so that the next one can begin at once."""
    words = ("batch", "scan-qrcode", "in", "--sandbox", "--daily-limit", "2")
    code, _, err = await run(*words)

    assert code == 4
    assert "the quota is used up; run the same command to resume\n" in err


async def test_codes_are_read_on_this_machine(folder: Path) -> None:
    """With --local codes are read here, and only pictures without any are sent, also without quota."""
    (folder / "in" / "blank.png").write_bytes(pictures.blank_png())
    server = Counting()
    server.errcode = 45009
    async with api_server(server.call) as url:
        code, out, _ = await run("batch", "scan-qrcode", "in", "--local", "--json", env=account(url, folder))

    assert (code, server.calls) == (4, 1)
    assert sorted(f"{row['source']}" for row in objects(out)) == ["None", *["local"] * 12]


@pytest.mark.parametrize("words", [[], ["--at-most-once"]], ids=["default", "at-most-once"])
async def test_a_run_that_was_killed_goes_on(folder: Path, words: list[str]) -> None:
    """After kill -9 the images in flight are sent again; with --at-most-once they are unknown."""
    held = Held(4)
    async with (
        api_server(held.call) as url,
        command("batch", "scan-qrcode", "in", "--json", *words, env=account(url, folder)) as process,
    ):
        await held.until_waiting(8)
        process.kill()
        await process.communicate()
        held.go.set()
        code, out, err = await run("batch", "scan-qrcode", "in", "--json", *words, env=account(url, folder))
    statuses = [row["status"] for row in objects(out)]

    assert len(statuses) == 12
    assert statuses.count("unknown") == (8 if words else 0)
    assert (code, held.waiting) == ((1, 8) if words else (0, 16))
    assert ("--retry unknown sends them again" in err) == bool(words)


async def test_two_runs_do_not_share_a_journal(folder: Path) -> None:
    """A second run on the same journal ends with exit code 5 and one line, and the first goes on."""
    held = Held(0)
    async with (
        api_server(held.call) as url,
        command("batch", "scan-qrcode", "in", env=account(url, folder)) as process,
    ):
        await held.until_waiting(8)
        code, out, err = await run("batch", "scan-qrcode", "in", env=account(url, folder))
        held.go.set()
        await process.communicate()

    assert (process.returncode, code, out, len(err.splitlines())) == (0, 5, "", 1)
    assert str(process.pid) in err


@pytest.mark.parametrize("kind", ["text", "folder"])
async def test_what_is_no_journal_is_left_alone(folder: Path, kind: str) -> None:
    """A file of something else, or a folder, is no journal: one line, exit code 5, nothing changed."""
    path = folder / "notes"
    path.write_text("my notes" * 1000) if kind == "text" else path.mkdir()
    words = ("batch", "scan-qrcode", "in", "--journal", str(path))
    code, out, err = await run(*words, env=account("http://127.0.0.1:9", folder))

    assert (code, out, len(err.splitlines())) == (5, "", 1)
    assert str(path) in err
    assert path.is_dir() or path.read_text() == "my notes" * 1000


@pytest.mark.parametrize(
    ("words", "expected", "message"),
    [
        (["scan-qrcode", "in", "--retry", "ok"], 2, "failed, unknown"),
        (["scan-qrcode", "@missing.txt"], 2, "the list 'missing.txt' does not exist"),
        (["scan-qrcode", "missing.csv"], 2, "the list 'missing.csv' does not exist"),
        (["scan-qrcode", "list.csv"], 2, "list.csv has no column 'image'; give one with --column: 'file'"),
        (
            ["scan-qrcode", "in", "--wait", "--daily-limit", "0"],
            2,
            "--wait with --daily-limit 0 would never end",
        ),
        (["printed-text", "in", "--local"], 2, "--local reads codes only"),
        (["scan-qrcode", "in", "--limit", "0"], 2, "--limit"),
        (["no-endpoint", "in"], 2, "no endpoint"),
        (["scan-qrcode", "in"], 3, "WXCV_APPID and WXCV_SECRET"),
    ],
)
async def test_what_cannot_begin_is_told(folder: Path, words: list[str], expected: int, message: str) -> None:
    """Wrong usage exits with 2 and a missing account with 3, before a journal is made."""
    (folder / "list.csv").write_text("file\nin/00.png\n")
    code, out, err = await run("batch", *words, env={"COLUMNS": "200"})

    assert (code, out, message in err) == (expected, "", True)
    assert not (folder / JOURNAL).exists()


async def test_what_a_list_lacks_is_told(folder: Path) -> None:
    """Rows without a name are counted, and the exit code is 1; without any name there is no summary of 0."""
    (folder / "list.csv").write_text("image,n\nin/00.png,1\n,2\n")
    (folder / "empty.txt").write_text("\n")
    async with api_server(Counting().call) as url:
        code, _, err = await run("batch", "scan-qrcode", "list.csv", env=account(url, folder))
        none = await run("batch", "scan-qrcode", "@empty.txt", env=account(url, folder))

    assert code == 1
    assert "wxcv: skipped 1 row that has no name of an image\nwxcv: 1 image in " in err
    assert (none[0], none[2].splitlines()[1:]) == (0, ["wxcv: no images were found"])


async def test_an_account_that_is_not_known_is_told() -> None:
    """An access token alone does not tell the account, whose outcomes the journal would keep."""
    code, _, err = await run("batch", "scan-qrcode", "in", env={"WXCV_ACCESS_TOKEN": "token"})

    assert (code, "wxcv batch needs to know the account" in err) == (3, True)


async def test_quiet_says_nothing_of_a_success(folder: Path) -> None:
    """With --quiet a run without failures prints nothing, and another one its summary."""
    async with api_server(Counting().call) as url:
        done = await run("batch", "scan-qrcode", "in", "--quiet", env=account(url, folder))
        failed = await run("batch", "scan-qrcode", "in/text.txt", "--quiet", env=account(url, folder))

    assert done == (0, "", "")
    assert failed[0] == 1
    assert failed[2].splitlines()[0].endswith("1 failed")
    assert failed[2].splitlines()[-1] == (
        f"wxcv: the first that failed is in/text.txt; see: wxcv results {JOURNAL} --status failed"
    )


async def test_the_journal_is_read_by_others(folder: Path) -> None:
    """What --json prints is what the journal has, with the names as they were given."""
    async with api_server(Counting().call) as url:
        _, out, _ = await run("batch", "scan-qrcode", "in", "--json", env=account(url, folder))

    def read() -> dict[str, str]:
        with wxcv.JournalReader(folder / JOURNAL) as reader:
            return {entry.image: entry.status for entry in reader.entries()}

    entries = await asyncio.to_thread(read)
    assert entries == {str(folder / row["image"]): row["status"] for row in objects(out)}


async def test_an_answer_that_was_lost_is_unknown(folder: Path) -> None:
    """An image whose answer is lost is unknown with --at-most-once, and --retry unknown sends it again."""
    server = Counting()

    async def lose(request: web.Request) -> web.StreamResponse:
        await server.call(request)
        assert request.transport is not None
        request.transport.abort()
        return answer(errcode=0)

    words = ("batch", "scan-qrcode", "in/00.png", "--at-most-once", "--json")
    async with api_server(lose) as url:
        first = await run(*words, env=account(url, folder))
    async with api_server(server.call) as url:
        second = await run(*words, "--retry", "unknown", env=account(url, folder))

    assert [objects(one[1])[0]["status"] for one in (first, second)] == ["unknown", "ok"]
    assert (first[0], second[0], server.calls) == (1, 0, 2)
