"""``--json`` on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import command, environment
from support.servers import answer, api_server
from support.terminals import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

HOSTILE = "a\x9b2J\u202eb\u2066\x7f\U000e0001 \N{LATIN SMALL LETTER E WITH ACUTE}"
"""Eight-bit controls of terminals, and of the direction of text."""


@pytest.mark.parametrize("words", [("scan-qrcode",), ("read",), ("batch", "scan-qrcode")], ids=" ".join)
async def test_json_on_a_terminal_has_no_control_characters(tmp_path: Path, words: tuple[str, ...]) -> None:
    """An object has what is not printable as escapes, which stand for the same text."""
    (tmp_path / "a.png").write_bytes(pictures.qr_png("a"))

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, code_results=[{"type_name": "QR_CODE", "data": HOSTILE}], items=[])

    async with terminal() as screen, api_server(call) as url:
        env = environment(url, PYTHONIOENCODING="utf-8")
        async with command(
            *words, "a.png", "--json", env=env, cwd=tmp_path, stdout=screen.descriptor
        ) as process:
            await process.communicate()
        await screen.until("}\r\n")
    (line,) = [line for line in screen.written.decode().split("\r\n") if line.startswith("{")]

    assert process.returncode == 0
    assert line.isprintable()
    assert json.loads(line)["answers"]["scan_qrcode"]["code_results"][0]["data"] == HOSTILE
    assert "\N{LATIN SMALL LETTER E WITH ACUTE}" in line
