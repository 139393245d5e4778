"""Journals of real runs against a scripted server, for the tests of what shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import wxcv
from support.accounts import APP, QUICK
from support.batches import collect
from support.commands import environment
from support.servers import answer, api_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from aiohttp import web

REFUSED = 101000
"""The errcode with which WeChat refuses an image."""


async def record_run(
    path: Path,
    images: Sequence[Any],
    answers: Mapping[bytes, str] | None = None,
    *,
    endpoint: wxcv.Endpoint[Any] = wxcv.SCAN_QRCODE,
) -> None:
    """Run a batch over the images with a journal at that path.

    The server reads "seen" in an image, or what ``answers`` has for its bytes; it refuses images that end in
    "refused".
    """
    async with (
        run_against(answers or {}) as session,
        wxcv.Journal(path) as journal,
    ):
        await collect(session.batch(endpoint, images, journal=journal))


@asynccontextmanager
async def run_against(answers: Mapping[bytes, str]) -> AsyncIterator[wxcv.Session]:
    """Open a session at a server that answers so."""

    async def call(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        data = form["img"].file.read()  # type: ignore[union-attr] # every image is a file
        if data.endswith(b"refused"):
            return answer(errcode=REFUSED, errmsg="invalid image")
        code = {"type_name": "QR_CODE", "data": answers.get(data, "seen")}
        return answer(errcode=0, errmsg="ok", code_results=[code], items=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, retries=QUICK) as session:
        yield session


def run_bytes(*words: str, before: Sequence[str] = (), **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m wxcv`` with these words, behind others, and keep the bytes that it prints."""
    command = [*before, sys.executable, "-m", "wxcv", *words]
    options = {"env": environment(), "timeout": 100, "check": False, **options}
    return subprocess.run(command, capture_output=True, **options)  # noqa: PLW1510, S603 - our own interpreter


def run_on_terminal(*words: str) -> tuple[int, str]:
    """Run ``python -m wxcv`` with a terminal as its standard output; return its exit code and what came."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "wxcv", *words],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env=environment(PYTHONIOENCODING="utf-8"),
        )
        os.close(theirs)
        received = b""
        while chunk := _read_terminal(ours):
            received += chunk
        return process.wait(100), received.decode().replace("\r\n", "\n")
    finally:
        os.close(ours)


def _read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
