"""The command line as a process, for the tests of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from support.servers import answer, api_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp import web


def environment(url: str = "", **more: str) -> dict[str, str]:
    """Return this environment without variables of wxcv, and with an account of the server at that URL.

    There is no state folder, so that the user's own is not touched.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WXCV_")}
    account = {"WXCV_APPID": "wx1", "WXCV_SECRET": "MARKED-SECRET", "WXCV_BASE_URL": url} if url else {}
    return {**clean, "XDG_STATE_HOME": os.devnull, **account, **more}


@asynccontextmanager
async def command(*words: str, **options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start ``python -m wxcv``; it is killed if the test leaves it running. SIGINT is never ignored there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wxcv", *words),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},  # type: ignore[arg-type]
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(*words: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run ``python -m wxcv`` with these words; return its exit code and what it printed."""
    async with command(*words, env={**environment(), **(env or {})}, stdin=subprocess.PIPE) as process:
        out, err = await asyncio.wait_for(process.communicate(stdin), 100)
    return process.returncode or 0, out.decode(), err.decode()


async def run_against(
    call: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *words: str,
    token_page: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
) -> tuple[int, str, str]:
    """Run the command with credentials against a scripted server."""
    async with api_server(call, token_page) as url:
        return await run(*words, env=environment(url))


def refusing(errcode: int, errmsg: str = "no") -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler that refuses everything."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=errcode, errmsg=errmsg)

    return call
