"""The names of the images on the command line, where they cannot be read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import environment, refusing, run
from support.held_calls import objects
from support.servers import api_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("redirection", "reason"), [("0>/dev/null", "Bad file descriptor"), ("<&-", "it is closed")]
)
async def test_a_standard_input_that_cannot_be_read_is_told(
    tmp_path: Path, redirection: str, reason: str
) -> None:
    """If names cannot be read from standard input, one line says why, and the others are read."""
    path = tmp_path / "a.png"
    path.write_bytes(pictures.PICTURE)
    async with api_server(refusing(0)) as url:
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m wxcv scan-qrcode --json {path} - {redirection}",
            env=environment(url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert [(row["image"], row["status"]) for row in objects(out)] == [(str(path), "ok")]
    assert err.decode().splitlines() == [f"wxcv: cannot read standard input: {reason}"]


async def test_a_folder_that_cannot_be_read_is_a_failed_image(tmp_path: Path) -> None:
    """A folder that cannot be listed, here for its long path, fails, and what is beside it is read."""
    (tmp_path / "a.png").write_bytes(pictures.PICTURE)
    last = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):  # of 250 characters, of which a path can have 4,095
        os.mkdir("d" * 250, dir_fd=last)
        above, last = last, os.open("d" * 250, os.O_RDONLY, dir_fd=last)
        os.close(above)
    os.close(last)
    async with api_server(refusing(0)) as url:
        code, out, err = await run("scan-qrcode", "--json", str(tmp_path), env=environment(url))
    read, failed = objects(out)

    assert code == 1
    assert (read["image"], read["status"], failed["status"]) == (str(tmp_path / "a.png"), "ok", "failed")
    assert str(failed["image"]).startswith(f"{tmp_path}/ddd")
    assert "File name too long" in err


@pytest.mark.parametrize("word", ["folder", "-"])
async def test_names_of_no_image_are_told(tmp_path: Path, word: str) -> None:
    """A folder without images, and an empty standard input, are told on stderr; nothing has failed."""
    (tmp_path / "notes.txt").write_text("no picture")
    name = str(tmp_path) if word == "folder" else word

    assert await run("scan-qrcode", name, env=environment("http://127.0.0.1:9")) == (
        0,
        "",
        "wxcv: no images were found\n",
    )
