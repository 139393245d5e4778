"""How ``wxcv batch`` ends: signals, broken outputs, servers that are down; and what a terminal shows."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.commands import command, environment, run
from support.held_calls import Held, full_pipe, objects
from support.programs import without_coverage
from support.servers import answer, api_server
from support.terminals import terminal

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

WORDS = ("batch", "scan-qrcode", "in")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with 30 different pictures in the folder "in"."""
    (tmp_path / "in").mkdir()
    for number in range(30):
        (tmp_path / "in" / f"{number:02}.png").write_bytes(pictures.qr_png(f"code {number}"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def recorded(folder: Path) -> dict[str, str]:
    """Return the statuses in the journal, by image."""

    def read() -> dict[str, str]:
        with wxcv.JournalReader(folder / "wxcv-scan-qrcode.sqlite") as reader:
            return {entry.image: entry.status for entry in reader.entries()}

    return await asyncio.to_thread(read)


async def until_said(process: asyncio.subprocess.Process, text: bytes) -> None:
    """Return when a line of stderr has the text."""
    assert process.stderr is not None
    while text not in await process.stderr.readline():
        pass


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_finishes_what_is_in_flight(folder: Path, number: int, expected: int) -> None:
    """After a signal what is in flight is finished and no more is taken; the next run does the rest."""
    held = Held(10)
    async with api_server(held.call) as url:
        async with command(*WORDS, "--json", env=environment(url)) as process:
            await held.until_waiting(8)
            process.send_signal(number)
            await until_said(process, b"finishing the running calls")
            held.go.set()
            out, err = await process.communicate()
        entries = await recorded(folder)
        code, again, _ = await run(*WORDS, "--json", env=environment(url))

    assert process.returncode == expected
    assert b"stopped; 12 images were not tried; run the same command to resume" in err
    assert list(entries.values()) == ["ok"] * 18 == [row["status"] for row in objects(out)]
    assert code == 0
    assert [row["sends"] for row in objects(again)].count(1) == 12


async def test_a_second_signal_ends_now() -> None:
    """A second signal ends what is in flight, which is told, and the journal has all that was answered."""
    held = Held(10)
    async with api_server(held.call) as url:
        async with command(*WORDS, "--json", env=environment(url)) as process:
            await held.until_waiting(8)
            process.send_signal(signal.SIGTERM)
            await until_said(process, b"finishing the running calls")
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
            held.go.set()
        code, again, _ = await run(*WORDS, "--json", env=environment(url))

    assert process.returncode == 130
    assert len(objects(out)) == 10
    assert b"8 images were being sent when the command was stopped; WeChat may have counted them" in err
    assert b"stopped; 12 images were not tried; run the same command to resume" in err
    assert code == 0
    assert [row["sends"] for row in objects(again)].count(1) == 20


async def test_a_signal_ends_a_wait_for_quota() -> None:
    """With --wait the end of the quota is told, and a signal ends the wait at once."""
    calls = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        await request.read()
        calls += 1
        if calls > 5:
            return answer(errcode=45009, errmsg="reach max api daily quota limit")
        return answer(errcode=0, code_results=[])

    async with (
        api_server(call) as url,
        command(*WORDS, "--wait", "--json", env=environment(url)) as process,
    ):
        await until_said(process, b"waiting for quota until ")
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert process.returncode == 130
    assert [row["status"] for row in objects(out)] == ["ok"] * 5
    assert b"stopped; 25 images were not tried; run the same command to resume" in err


@pytest.mark.parametrize("where", ["stderr", "stdout"])
async def test_a_stalled_reader_does_not_keep_a_run_from_ending(folder: Path, where: str) -> None:
    """If nobody reads the output, two signals end the run all the same, and the journal has every answer."""
    held = Held(22)
    reading, writing = full_pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as pipe:
        options: dict[str, Any] = {where: pipe}
        async with (
            api_server(held.call) as url,
            command(*WORDS, "--json", env=environment(url), **options) as process,
        ):
            await held.until_waiting(8)
            for _ in range(2):
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0)
            while process.returncode is None:  # the first signal may be handled after the second was sent
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.05)
            held.go.set()
    entries = await recorded(folder)

    assert process.returncode in {143, -signal.SIGTERM}
    assert list(entries.values()).count("ok") == 22


@pytest.mark.parametrize(("where", "expected"), [("full", 1), ("closed", 141)])
async def test_a_broken_output_ends_the_run_and_loses_nothing(
    folder: Path, where: str, expected: int
) -> None:
    """If nothing can be printed, what is in flight is finished and recorded; the exit code is 1 or 141."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "w") as full, os.fdopen(writing, "w") as closed:
        async with (
            api_server(Held(100).call) as url,
            command(
                *WORDS, "--json", env=environment(url), stdout=full if where == "full" else closed
            ) as process,
        ):
            _, err = await process.communicate()
    lines = err.decode().splitlines()
    entries = await recorded(folder)

    assert process.returncode == expected
    assert set(entries.values()) == {"ok"}
    assert ("wxcv: cannot print: No space left on device" in lines) == (where == "full")
    assert len(lines) == 1 or where == "full"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&1 2>&1 | true"])
async def test_a_broken_stderr_stops_nothing(folder: Path, redirection: str) -> None:
    """If nothing can be printed to stderr, the run goes on to its end."""
    shell = f"{sys.executable} -m wxcv {' '.join(WORDS)} {redirection}"
    async with api_server(Held(100).call) as url:
        process = await asyncio.create_subprocess_shell(
            shell, env=environment(url), stdout=subprocess.DEVNULL
        )
        code = await asyncio.wait_for(process.wait(), 60)

    assert code == 0
    assert list((await recorded(folder)).values()) == ["ok"] * 30


async def test_a_server_that_is_down_is_told() -> None:
    """If WeChat cannot be reached for the whole patience, the exit code is 6, and little was tried."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code, out, err = await run(*WORDS, "--json", "--timeout", "2", env=environment(url))

    assert code == 6
    assert {row["status"] for row in objects(out)} == {"not_sent"}
    assert "when the cause of that error is gone, run the same command to resume" in err


async def test_an_account_that_is_refused_is_told() -> None:
    """If WeChat refuses the account, the exit code is 3, and the rest is not tried."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=48001, errmsg="api unauthorized")

    async with api_server(call) as url:
        code, _, err = await run(*WORDS, env=environment(url))

    assert code == 3
    assert "errcode 48001" in err


async def test_a_terminal_shows_how_the_run_goes(folder: Path) -> None:
    """A terminal of 80 columns shows bar, counts, quota and the last error; no line is wrapped."""
    (folder / "in" / "\x1b[31mred \N{RIGHT-TO-LEFT OVERRIDE}\n.png").write_text("no image")
    held = Held(20)
    async with terminal() as screen, api_server(held.call) as url:
        env = environment(url, TERM="xterm-256color", XDG_STATE_HOME=str(folder / "state"))
        async with command(
            *WORDS, "--daily-limit", "1000", env=env, stdout=screen.descriptor, stderr=screen.descriptor
        ) as process:
            await held.until_waiting(8)
            await screen.until("/31 ")
            await screen.until("21/31")
            await screen.until("quota left ")
            held.go.set()
            await process.wait()
            await screen.until("what to do about it")
    bars = [line for line in screen.lines if line.startswith("scan_qrcode ")]

    assert process.returncode == 1
    assert "31/31 100%" in bars[-1]
    assert {len(bar) for bar in bars} <= {79, 80}
    assert [line for line in screen.lines if "quota left" in line][-1].startswith("quota left 970, resets 20")
    assert any(line.startswith("ok 30   failed 1   not sent 0   unknown 0") for line in screen.lines)
    assert any(" images/s" in line and ", resets 20" in line for line in screen.lines)
    assert any(line.startswith("last error: in/\\x1b[31mred \\u202e\\n.png: not a ") for line in screen.lines)
    assert max(len(line) for line in screen.lines if not line.startswith("wxcv: ")) <= 80
    assert b"\x1b[31mred" not in screen.written


async def test_lines_of_json_take_the_place_of_a_bar() -> None:
    """If --json prints on the terminal, there is no bar that the lines would break."""
    async with terminal() as screen, api_server(Held(100).call) as url:
        env = environment(url, TERM="xterm-256color")
        async with command(
            *WORDS, "--json", env=env, stdout=screen.descriptor, stderr=screen.descriptor
        ) as process:
            await process.wait()
            await screen.until("30 images in ")

    assert not any(line.startswith("scan_qrcode ") for line in screen.lines)


async def test_a_journal_that_cannot_grow_ends_the_run() -> None:
    """If the journal cannot be written any more, sending ends with exit code 5; a later run does the rest."""
    shell = f"ulimit -f 400; exec {sys.executable} -m wxcv {' '.join(WORDS)} --json"
    long = [{"type_name": "QR_CODE", "data": "x" * 10_000}]

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, code_results=long)

    async with api_server(call) as url:
        process = await asyncio.create_subprocess_shell(
            shell, env=without_coverage(environment(url)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        code, again, _ = await run(*WORDS, "--json", env=environment(url))
    given = {row["image"] for row in objects(out)}
    known = {row["image"] for row in objects(again) if row["source"] == "journal"}

    assert (process.returncode, code) == (5, 0)
    assert b"Traceback" not in err
    assert given <= known
    assert 0 < len(given) < len(objects(again)) == 30
