"""Runs of the command line over many images, and how they end: no answer is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import command, environment, run
from support.held_calls import CODES, Held, full_pipe, objects
from support.pages import QRCODE
from support.sandbox_calls import Now
from support.servers import answer, api_server

from wxcv.sandbox import Quota, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """The names of 60 pictures."""
    data = pictures.qr_png("x")
    paths = [tmp_path / f"{number:02}.png" for number in range(60)]
    for path in paths:
        path.write_bytes(data)
    return [str(path) for path in paths]


async def test_the_end_of_the_quota_loses_no_answer(names: list[str]) -> None:
    """When the quota ends in the middle of a run, every answer that was paid for is printed."""
    async with Sandbox(clock=Now(), quota=Quota(per_day=30)) as box:
        env = {"WXCV_APPID": box.appid, "WXCV_SECRET": box.secret, "WXCV_BASE_URL": box.base_url}
        code, out, err = await run("scan-qrcode", "--json", *names, env=env)
        spent = box.usage(QRCODE).day
    rows = objects(out)
    statuses = Counter(row["status"] for row in rows)

    assert code == 4
    assert [row["image"] for row in rows] == names
    assert statuses["ok"] == spent == 30
    assert statuses["failed"] <= 8
    assert f"{statuses['not_sent']} images were not sent: errcode 45009" in err


async def test_ctrl_c_prints_what_is_under_way(names: list[str]) -> None:
    """After Ctrl-C what was sent is awaited and printed, nothing more is sent, and the exit code is 130."""
    held = Held(20)
    async with (
        api_server(held.call) as url,
        command("scan-qrcode", "--json", *names, env=environment(url)) as process,
    ):
        await held.until_waiting(8)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"finishing the running calls" in await process.stderr.readline()
        held.go.set()
        out, err = await process.communicate()
    rows = objects(out)

    assert (process.returncode, err) == (130, b"")
    assert [(row["image"], row["status"]) for row in rows] == [(name, "ok") for name in names[:28]]


async def test_a_second_ctrl_c_ends_at_once_and_loses_no_answer(names: list[str]) -> None:
    """A second Ctrl-C ends calls in flight; answers that waited behind them for their place are printed."""
    held = Held(0)
    arrived = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal arrived
        arrived += 1
        if arrived == 1 or arrived > 20:
            return await held.call(request)
        await request.read()
        return answer(errcode=0, code_results=CODES)

    async with (
        api_server(call) as url,
        command("scan-qrcode", "--json", *names[:27], env=environment(url)) as process,
    ):
        await held.until_waiting(8)  # the eighth comes when all answers have been read
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        held.go.set()

    rows = objects(out)
    assert process.returncode == 143
    assert sorted(str(row["image"]) for row in rows) == names[:27]
    assert [row["status"] for row in rows].count("ok") == 19
    ended = [row for row in rows if row["status"] != "ok"]
    assert [(row["status"], row["answers"]) for row in ended] == [("unknown", {})] * 8
    assert [row["error"]["sends"] for row in ended] == [1] * 8  # type: ignore[index] # from JSON
    assert b"WeChat may have counted it" in err


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_reader_that_stalls_gets_every_answer_once(names: list[str], signals: int) -> None:
    """If the output is a full pipe when Ctrl-C comes, every answer is printed once, as soon as it is read."""
    held = Held(8)
    reading, writing = full_pipe()
    with os.fdopen(reading, "rb") as output, os.fdopen(writing, "wb") as stdout:
        async with (
            api_server(held.call) as url,
            command("scan-qrcode", "--json", *names, env=environment(url), stdout=stdout) as process,
        ):
            stdout.close()
            await held.until_waiting(8)  # the eighth comes when all answers have been read
            assert process.stderr is not None
            for number in range(signals):
                process.send_signal(signal.SIGINT)
                if number == 0:
                    await process.stderr.readexactly(30)
            if signals == 1:
                held.go.set()
            out, _ = await asyncio.gather(asyncio.to_thread(output.read), process.communicate())
            held.go.set()
    statuses = [row["status"] for row in objects(out)]

    assert process.returncode == 130
    assert sorted(str(row["image"]) for row in objects(out)) == names[:16]
    assert Counter(statuses) == ({"ok": 16} if signals == 1 else {"ok": 8, "unknown": 8})


async def test_an_image_that_one_endpoint_has_not_read_is_not_ok(names: list[str]) -> None:
    """If the command is ended when one of two endpoints has answered, the image is "unknown", not "ok"."""
    held = Held(0)

    async def call(request: web.Request) -> web.StreamResponse:
        if request.path == QRCODE:
            await request.read()
            return answer(errcode=0, code_results=CODES)
        return await held.call(request)

    async with (
        api_server(call) as url,
        command("read", "--json", names[0], env=environment(url)) as process,
    ):
        await held.until_waiting(1)
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        held.go.set()
    (row,) = objects(out)

    assert (row["status"], list(row["answers"])) == ("unknown", ["scan_qrcode"])  # type: ignore[call-overload]
    assert row["error"]["endpoint"] == "printed_text"  # type: ignore[index]


@pytest.mark.parametrize("where", ["full", "closed"])
async def test_a_broken_stderr_costs_no_answer(names: list[str], where: str) -> None:
    """If nothing can be printed to stderr, all answers are still printed to stdout."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "w") as full, os.fdopen(writing, "w") as closed:
        async with (
            api_server(Held(60).call) as url,
            command(
                *("scan-qrcode", "--json", "missing.png", *names),
                env=environment(url),
                stderr=full if where == "full" else closed,
            ) as process,
        ):
            out, _ = await process.communicate()
    rows = objects(out)

    assert process.returncode == 1
    assert [row["status"] for row in rows] == ["failed", *["ok"] * 60]


async def test_a_reader_that_leaves_ends_the_run_quietly(names: list[str]) -> None:
    """If the output is a pipe that closes, the command ends with SIGPIPE's code and prints nothing."""
    held = Held(10_000)
    async with (
        api_server(held.call) as url,
        command("scan-qrcode", "--json", *names, env=environment(url)) as process,
    ):
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined] # as head -1 does
        _, err = await process.communicate()

    assert (process.returncode, err) == (141, b"")


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """If nothing can be printed, one line says why; also if the standard output is closed."""
    path = tmp_path / "a.png"
    path.write_bytes(pictures.qr_png("x"))
    for redirection, reason in (
        (">/dev/full", "No space left on device"),
        (">&-", "standard output is closed"),
    ):
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m wxcv scan-qrcode --json --sandbox {path} {redirection}",
            stderr=subprocess.PIPE,
        )
        _, err = await process.communicate()

        assert process.returncode == 1
        assert err.decode().splitlines() == [f"wxcv: cannot print: {reason}"]


async def test_a_server_that_is_down_is_told_once(names: list[str]) -> None:
    """If WeChat cannot be reached for the whole patience, one line says so, and the exit code is 6."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        words = ("scan-qrcode", "--json", "--timeout", "3", *names)
        code, out, err = await run(*words, env=environment(url))

    assert code == 6
    assert [row["status"] for row in objects(out)] == ["not_sent"] * 60
    (line,) = err.splitlines()
    assert line.startswith("wxcv: 60 images were not sent: cannot reach 127.0.0.1")


async def test_names_come_from_folders_and_standard_input(tmp_path: Path, names: list[str]) -> None:
    """A folder is walked for pictures in order, and ``-`` reads one name a line, with any bytes."""
    odd = tmp_path / "sub" / os.fsdecode(b"bad\xff.JPG")
    odd.parent.mkdir()
    odd.write_bytes(pictures.qr_png("x"))
    (tmp_path / "notes.txt").write_text("no picture")
    held = Held(10_000)
    async with api_server(held.call) as url:
        env = environment(url)
        _, walked, _ = await run("scan-qrcode", "--json", str(tmp_path), env=env)
        stdin = b"".join(os.fsencode(name) + b"\n" for name in (*names[:2], str(odd)))
        code, piped, err = await run("scan-qrcode", "--json", "-", env=env, stdin=stdin + b"\n")

    assert (code, err) == (0, "")
    assert [row["image"] for row in objects(walked)] == [*names, str(odd)]
    assert [row["image"] for row in objects(piped)] == [*names[:2], str(odd)]


async def test_both_endpoints_make_one_object(names: list[str]) -> None:
    """``read`` prints one object an image with both answers, and tells of the endpoint that failed."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        if request.path == QRCODE:
            return answer(errcode=0, code_results=CODES)
        return answer(errcode=101002, errmsg="decode image failed")

    async with api_server(call) as url:
        code, out, err = await run("read", "--json", *names[:5], env=environment(url))
    rows = objects(out)

    assert code == 1
    assert [row["image"] for row in rows] == names[:5]
    assert all(row["answers"] == {"scan_qrcode": {"code_results": CODES}} for row in rows)
    assert [row["error"]["endpoint"] for row in rows] == ["printed_text"] * 5  # type: ignore[index]
    assert [line.split(": ")[1:4] for line in err.splitlines()] == [
        [name, "printed_text", "errcode 101002"] for name in names[:5]
    ]


async def test_concurrency_bounds_the_calls_in_flight(names: list[str]) -> None:
    """``--concurrency 3`` has three calls in flight: a run that is then interrupted prints no more."""
    held = Held(0)
    async with (
        api_server(held.call) as url,
        command("scan-qrcode", "--json", "--concurrency", "3", *names, env=environment(url)) as process,
    ):
        await held.until_waiting(3)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        await process.stderr.readline()
        held.go.set()
        out, _ = await process.communicate()

    assert [row["image"] for row in objects(out)] == names[:3]


async def test_a_code_stays_whole_in_a_narrow_terminal(tmp_path: Path) -> None:
    """At 20 columns a long code is printed on one line."""
    path = tmp_path / "a.png"
    text = "https://example.com/" + "x" * 80
    path.write_bytes(pictures.qr_png(text))
    _, out, _ = await run("scan-qrcode", "--sandbox", str(path), env={"COLUMNS": "20"})

    assert f"  QR_CODE  {text}\n" in out


async def test_the_sandbox_command_prints_variables_only(tmp_path: Path) -> None:
    """A shell can source what ``wxcv sandbox`` prints, and another command then reads an image."""
    path = tmp_path / "a.png"
    path.write_bytes(pictures.qr_png("served"))
    async with command("sandbox", "--port", "0", env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = b"".join([await process.stdout.readline() for _ in range(3)]).decode()
        (tmp_path / "box.env").write_text(lines)
        shell = f". {tmp_path}/box.env && {sys.executable} -m wxcv scan-qrcode {path}"
        reading = await asyncio.create_subprocess_shell(shell, env=environment(), stdout=subprocess.PIPE)
        out, _ = await reading.communicate()
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 130
        assert (await process.stderr.read()).decode().startswith("wxcv: this sandbox answers")

    assert b"served" in out
    assert all(line.startswith("export WXCV_") for line in lines.splitlines())


async def test_a_sandbox_that_ignores_ctrl_c_is_stopped_by_sigterm() -> None:
    """Started with SIGINT ignored, as by nohup, ``wxcv sandbox`` ignores it too and ends at SIGTERM."""
    shell = f"trap '' INT; exec {sys.executable} -m wxcv sandbox --port 0"
    process = await asyncio.create_subprocess_shell(
        shell, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 143
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_shells_can_complete_the_commands() -> None:
    """A shell that asks for what begins with "sc" is told of scan-qrcode."""
    env = {"_WXCV_COMPLETE": "complete_bash", "COMP_WORDS": "wxcv sc", "COMP_CWORD": "1"}
    code, out, err = await run(env=env)

    assert (code, out.split(), err) == (0, ["scan-qrcode"], "")
