"""How commands end by signals, wherever they are."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import command, environment, run
from support.held_calls import Held
from support.servers import api_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("words", [("batch", "scan-qrcode"), ("scan-qrcode",)], ids=["batch", "read"])
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_a_wait_for_names(
    tmp_path: Path, words: tuple[str, ...], number: int, expected: int
) -> None:
    """While standard input is open, signals end a command with their exit code, and Python is not aborted."""
    (tmp_path / "a.png").write_bytes(pictures.qr_png("a"))
    held = Held(0)
    async with (
        api_server(held.call) as url,
        command(*words, "-", env=environment(url), cwd=tmp_path, stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"a.png\n")
        await held.until_waiting(1)
        held.go.set()
        process.send_signal(number)
        err = await process.stderr.readuntil(b"stop again to end now\n")
        for _ in range(2):  # in which the command may have ended by itself
            if process.returncode is None:
                process.send_signal(number)
        err += await process.stderr.read()
        code = await process.wait()

    assert code == expected
    assert b"Fatal" not in err


async def test_a_signal_after_the_end_of_a_run_keeps_the_exit_code(tmp_path: Path) -> None:
    """Once a run that a signal ended has printed its summary, a signal does not change its exit code."""
    async with (
        api_server(Held(0).call) as url,
        command(
            *("batch", "scan-qrcode", "-"), env=environment(url), cwd=tmp_path, stdin=subprocess.PIPE
        ) as process,
    ):
        assert process.stderr is not None
        await process.stderr.readuntil(b"resumes from it)\n")
        process.send_signal(signal.SIGTERM)
        await process.stderr.readuntil(b"run the same command to resume\n")
        process.send_signal(signal.SIGTERM)
        code = await process.wait()

    assert code == 143


async def test_ctrl_c_while_the_command_is_imported_leaves_no_traceback(tmp_path: Path) -> None:
    """A KeyboardInterrupt during the imports of the command ends it with 130 and nothing on stderr."""
    (tmp_path / "rich.py").write_text("raise KeyboardInterrupt")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    assert await run("--version", env={"PYTHONPATH": path}) == (130, "", "")
