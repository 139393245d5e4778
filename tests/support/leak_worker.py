"""A process of its own whose requests meet peers that hang up; it looks for secrets wherever they could show.

Arguments: how often each combination is tried, and "debug" or nothing. Prints one JSON object: how many calls
there were, how many ended in an error, and the texts that showed a secret. Without "debug" logging is not set
up, so that stderr gets what a program without a logging set-up shows there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import traceback
from pathlib import Path

import wxcv
from wxcv.tokens.cache import get_manager

MARK = "MARKED"
SECRET, TICKET, REFRESH = (f"{MARK}-{name}" for name in ("SECRET", "TICKET", "REFRESH"))
URL = f"https://example.com/a.png?sign={MARK}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000_000)  # it leaves in many pieces, of which a later one fails
KINDS = ("stable", "classic", "component", "authorizer", "upload", "url")
found: list[str] = []
counts = {"calls": 0, "errors": 0}


class Collect(logging.Handler):
    """Looks at every record, with what it was made of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look."""
        look(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


class Impatient(wxcv.ManualClock):
    """A clock on which every wait is over at once."""

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.advance(seconds)
        await asyncio.sleep(0)


def look(text: str) -> None:
    """Note a text that shows a secret."""
    if MARK in text:
        found.append(text[:500])


def look_at(error: BaseException | None) -> None:
    """Look at an error and all that it came from."""
    while error is not None:
        look(f"{error} {error!r} {error.args!r} {vars(error)!r}")
        look("".join(traceback.format_exception(error)))
        error = error.__cause__ or error.__context__


def credential_of(kind: str) -> wxcv.Credential:
    """Return a credential whose token request, or call, is of that kind."""
    component = wxcv.ComponentCredential("wxp", SECRET, TICKET)
    if kind in {"component", "authorizer"}:
        return wxcv.AuthorizerCredential(component, "wxm", REFRESH)
    return wxcv.AppCredential("wx1", SECRET, stable=kind != "classic")


async def call(kind: str, port: int) -> None:
    """Make one call that meets the peer at that port."""
    policy = wxcv.RetryPolicy(base=0.001, attempts=2)
    url = f"http://127.0.0.1:{port}"
    counts["calls"] += 1
    try:
        async with wxcv.Session(
            credential_of(kind), base_url=url, retries=policy, clock=Impatient()
        ) as session:
            await session.scan_qrcode(URL if kind == "url" else PNG)
    except wxcv.WxcvError as error:
        counts["errors"] += 1
        look_at(error)


async def refresh_in_background(ports: dict[str, dict[str, int]]) -> None:
    """Let refreshes fail while a token is still valid, so that only a warning tells of it."""
    for kind in ("stable", "classic"):
        clock = Impatient()
        cache, credential = wxcv.TokenCache(clock=clock), credential_of(kind)
        for peer in ("nothing", "at once"):
            url = f"http://127.0.0.1:{ports[peer]['close']}"
            async with wxcv.Session(credential, base_url=url, tokens=cache) as session:
                await session.token()
                while get_manager(cache)._refreshing:
                    await asyncio.sleep(0)
            clock.advance(7000)


async def try_all(rounds: int, ports: dict[str, dict[str, int]]) -> None:
    """Try every combination."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda loop, context: (look(repr(context)), loop.default_exception_handler(context))[1]
    )
    for _ in range(rounds):
        for kind in KINDS:
            for port in ports[kind].values():
                await call(kind, port)
        for port in ports["at once"].values():
            for kind in ("stable", "classic", "component") * 10:
                await call(kind, port)
    await refresh_in_background(ports)


def main() -> None:
    """Start the peers, and try."""
    if len(sys.argv) > 2:  # "debug": every record is looked at, and asyncio tells all it can
        logging.basicConfig(level=logging.DEBUG, handlers=[Collect()])
    peers = [sys.executable, str(Path(__file__).with_name("leak_peers.py"))]
    with subprocess.Popen(  # noqa: S603 - our own
        peers, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        asyncio.run(try_all(int(sys.argv[1]), ports), debug=len(sys.argv) > 2)
    print(json.dumps({**counts, "found": found}))


if __name__ == "__main__":
    main()
