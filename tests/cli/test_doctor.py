"""``wxcv doctor``: what it finds, its remedies and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import ssl
from contextlib import closing
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from support.commands import command, environment, run
from support.servers import http_answer, raw_server, read_request

from wxcv.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_PAGE = "/cgi-bin/stable_token"
OFFLINE = """
import socket

def fail(*_):
    raise socket.gaierror(-3, "Temporary failure in name resolution")

socket.getaddrinfo = fail
"""
HANGING = """
import socket
import threading

socket.getaddrinfo = lambda *_: threading.Event().wait()
"""
WITHOUT_REDIS = """
import importlib.metadata
import sys
from importlib.machinery import PathFinder

class Hide(PathFinder):
    @classmethod
    def find_distributions(cls, context=importlib.metadata.DistributionFinder.Context()):
        return () if context.name in ("redis", "pillow") else PathFinder.find_distributions(context)

sys.meta_path[:] = [Hide if finder is PathFinder else finder for finder in sys.meta_path]
"""


def account(box: Sandbox, **more: str) -> dict[str, str]:
    """Return an environment with the sandbox's account, in which nothing may be left unclosed."""
    own = {"WXCV_APPID": box.appid, "WXCV_SECRET": box.secret, "PYTHONWARNINGS": "error::ResourceWarning"}
    return environment(box.base_url, **own, **more)


async def findings(*words: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run ``wxcv doctor --json``; return its exit code and its findings by what was checked."""
    code, out, err = await run("doctor", "--json", *words, env=env)
    assert err == ""
    assert "MARKED" not in out
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["status"] for row in rows} <= {"ok", "problem", "skipped"}
    return code, {row["check"]: row for row in rows}


def statuses(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the status of each check that is about no package."""
    return {name: row["status"] for name, row in found.items() if not name.startswith("extra ")}


def with_path(env: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment in which Python imports from a folder first."""
    return {**env, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def closed_port() -> str:
    """Return the URL of a port of this machine on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_sandbox_needs_nothing() -> None:
    """With --sandbox there is a line for each check without an account, none of them a problem."""
    code, out, err = await run("doctor", "--sandbox")
    rows = {line[9:26].strip(): line.split(maxsplit=1)[0] for line in out.splitlines()}

    assert (code, err) == (0, "")
    assert set(rows.values()) == {"ok", "skipped"}
    assert [name for name, status in rows.items() if status == "skipped"] == ["store"]
    assert list(rows)[:2] == ["python", "sqlite"]
    assert list(rows)[-5:] == ["store", "credentials", "host", "clock", "token"]


async def test_one_token_is_requested_and_no_image_sent(box: Sandbox) -> None:
    """With an account, the host is asked once and one token fetched, as the help says; no secret is shown."""
    code, out, _ = await run("doctor", env=account(box))

    assert (code, "problem" in out) == (0, False)
    assert +box.requests == {"/": 1, TOKEN_PAGE: 1}
    assert box.secret not in out
    assert "Fetches one token" in " ".join((await run("doctor", "--help"))[1].split())


async def test_a_machine_without_network_is_told_in_sentences(tmp_path: Path) -> None:
    """Offline, each host is one line with a remedy, and the exit code is that of the first problem."""
    (tmp_path / "sitecustomize.py").write_text(OFFLINE)
    code, out, err = await run("doctor", env=with_path({}, tmp_path))
    told = [line.split(maxsplit=2) for line in out.splitlines() if "host" in line.split()[:2]]

    assert (code, err) == (3, "")
    assert [(row[0], row[2].split()[0]) for row in told] == [
        ("problem", "api.weixin.qq.com"),
        ("problem", "api2.weixin.qq.com"),
    ]
    assert all("is this machine online" in row[2] for row in told)
    assert "set the environment variables WXCV_APPID and WXCV_SECRET" in out

    own = {"WXCV_APPID": "wx1", "WXCV_SECRET": "MARKED"}
    assert (await run("doctor", env=with_path(own, tmp_path)))[0] == 6


async def test_a_host_that_refuses_connections_is_a_problem() -> None:
    """If nothing listens at the base URL, the code is 6, and clock and token are skipped."""
    code, found = await findings(env=environment(closed_port()))

    assert code == 6
    assert statuses(found) == {
        "python": "ok",
        "sqlite": "ok",
        "store": "skipped",
        "credentials": "ok",
        "host": "problem",
        "clock": "skipped",
        "token": "skipped",
    }
    assert "cannot be reached (Connection refused)" in found["host"]["message"]


async def test_a_host_that_does_not_speak_http_is_told() -> None:
    """A server that speaks something else is a problem, and gets no token request."""
    arrived = 0

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        writer.write(b"220 mail.example.com ESMTP\r\n" * 3)
        await writer.drain()

    async with raw_server(greet) as url:
        code, found = await findings(env=environment(url))

    assert (code, found["token"]["status"], arrived) == (6, "skipped", 1)
    assert "does not answer in HTTP" in found["host"]["message"]


async def test_a_check_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A name lookup that never ends is a problem like any other, and the command ends."""
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    code, found = await findings(env=with_path(environment(closed_port()), tmp_path))

    assert (code, found["token"]["status"]) == (6, "skipped")
    assert "does not answer within 5 s" in found["host"]["message"]


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_a_certificate_that_is_not_trusted_is_a_problem(tmp_path: Path, is_trusted: bool) -> None:
    """Over TLS, a host that is trusted answers; a certificate of an unknown authority is told."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(b"", headers="Connection: close\r\n"))
        await writer.drain()

    async with raw_server(serve, ssl=context) as url:
        env = environment(url.replace("127.0.0.1", "localhost"))
        _, found = await findings(
            env=env | ({"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if is_trusted else {})
        )

    assert found["host"]["status"] == ("ok" if is_trusted else "problem")
    assert ("has no valid certificate" in found["host"]["message"]) != is_trusted


@pytest.mark.parametrize(
    ("date", "status", "told", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "problem", "s ahead of 127.0.0.1", 1),
        ("Fri, 01 Jan 2100 00:00:00 -0000", "problem", "s behind 127.0.0.1", 1),
        ("yesterday", "skipped", "does not tell the time", 0),
        ("Fri, 99 Jan 99999999999 00:00:00 GMT", "skipped", "does not tell the time", 0),
        ("Sun, 06 Nov 1994 08:49:37 +999999999999", "skipped", "does not tell the time", 0),
        ("", "skipped", "does not tell the time", 0),
        (None, "skipped", "does not tell the time", 0),
        ("now", "ok", "this machine's clock agrees with 127.0.0.1", 0),
    ],
)
async def test_the_clock_is_compared_with_the_hosts(
    date: str | None, status: str, told: str, expected: int
) -> None:
    """A clock that is off by more than 60 s is a problem with a remedy; a host may not tell the time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        # A time of "-0000" is one of UTC, and not of this machine's zone.
        header = "" if date is None else f"Date: {formatdate() if date == 'now' else date}\r\n"
        body = b"" if head.startswith(b"HEAD") else b'{"access_token": "t", "expires_in": 7200}'
        writer.write(http_answer(body, headers=header + "Connection: close\r\n"))
        await writer.drain()

    async with raw_server(serve) as url:
        code, found = await findings(env=environment(url, TZ="UTC-8"))

    assert (code, found["clock"]["status"], found["token"]["status"]) == (expected, status, "ok")
    assert told in found["clock"]["message"]
    assert ("set it" in found["clock"]["message"]) == (status == "problem")


@pytest.mark.parametrize(
    ("fault", "expected", "requests", "told"),
    [
        (Fault(errcode=40125), 3, 1, "errcode 40125"),
        (Fault(errcode=45009), 4, 1, "errcode 45009"),
        (Fault(status=502, body=b"<html>"), 6, 3, "HTTP status 502"),
    ],
    ids=["secret", "quota", "page"],
)
async def test_a_refused_token_is_a_problem(
    box: Sandbox, fault: Fault, expected: int, requests: int, told: str
) -> None:
    """The code is that of the refusal; only what may pass is tried twice more."""
    box.fail_always(TOKEN_PAGE, fault)
    code, found = await findings(env=account(box))

    assert (code, box.requests[TOKEN_PAGE]) == (expected, requests)
    assert told in found["token"]["message"]


async def test_a_token_alone_is_not_tried(box: Sandbox) -> None:
    """With WXCV_ACCESS_TOKEN nothing is fetched, and it says how to try the token."""
    env = {"WXCV_ACCESS_TOKEN": "MARKED", "WXCV_BASE_URL": box.base_url}
    code, found = await findings(env=env)

    assert (code, statuses(found)["credentials"], statuses(found)["token"]) == (0, "ok", "skipped")
    assert box.requests[TOKEN_PAGE] == 0


@pytest.mark.parametrize(
    ("changes", "check", "told"),
    [
        ({"WXCV_SECRET": ""}, "credentials", "set the environment variables WXCV_SECRET"),
        ({"WXCV_SECRET": "MARKED SECRET"}, "credentials", "WXCV_SECRET must be ASCII without white space"),
        ({"WXCV_ACCESS_TOKEN": "MARKED"}, "credentials", "not both"),
        ({"WXCV_BASE_URL": "http://MARKED.example.com"}, "host", "WXCV_BASE_URL is plain http"),
        ({"WXCV_BASE_URL": "https://u:MARKED@h"}, "host", "WXCV_BASE_URL must not have a user part"),
    ],
)
async def test_wrong_variables_are_named_and_not_shown(
    box: Sandbox, changes: dict[str, str], check: str, told: str
) -> None:
    """A variable that is missing or wrong is a problem of the account, and no token is fetched."""
    code, found = await findings(env={**account(box), **changes})

    assert (code, found[check]["status"]) == (3, "problem")
    assert told in found[check]["message"]
    assert box.requests[TOKEN_PAGE] == 0


async def test_a_store_is_opened_and_written(tmp_path: Path, box: Sandbox) -> None:
    """Before or after the command's name or in the variable, a store is tried, and nothing stays in it."""
    place = str(tmp_path / "s.db")
    for words, more in (
        (("doctor", "--store", place), {}),
        (("--store", place, "doctor"), {}),
        (("doctor",), {"WXCV_STORE": place}),
    ):
        code, out, err = await run(*words, env=account(box, **more))
        assert (code, err) == (0, "")
        assert "ok       store " in out
    with closing(sqlite3.connect(place)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [database.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names]  # noqa: S608
    assert "leases" in names
    assert set(rows) == {(0,)}
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


@pytest.mark.parametrize(
    ("place", "expected", "told"),
    [
        ("{}/none/s.db", 1, "its directory does not exist; create it"),
        ("{}", 1, "is a directory"),
        ("{}/text", 1, "is not an SQLite database"),
        ("http://u:MARKED@h", 2, "it looks like a URL (not shown)"),
        ("redis://u:MARKED@127.0.0.1:1/0", 1, "Redis cannot be reached"),
    ],
)
async def test_a_store_that_fails_is_a_problem(
    tmp_path: Path, box: Sandbox, place: str, expected: int, told: str
) -> None:
    """The remedy is told without a password, the file stays as it is, and the other checks go on."""
    (tmp_path / "text").write_text("no database, but text " * 50)
    code, found = await findings(env=account(box, WXCV_STORE=place.format(tmp_path)))

    assert (code, found["store"]["status"], found["token"]["status"]) == (expected, "problem", "ok")
    assert told in found["store"]["message"]
    assert (tmp_path / "text").read_text() == "no database, but text " * 50


async def test_a_missing_package_is_no_problem(tmp_path: Path, box: Sandbox) -> None:
    """What is not installed is skipped, with what needs it and the command that installs it."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_REDIS)
    code, found = await findings(env=with_path(account(box), tmp_path))

    assert (code, found["extra redis"]["status"], found["extra cli"]["status"]) == (0, "skipped", "ok")
    assert found["extra redis"]["message"] == (
        "redis is not installed; if you need --store redis://... and wxcv.RedisStore: "
        'python -m pip install "wxcv[redis]"'
    )
    assert found["extra fit"]["message"].startswith(
        "pillow is not installed; if you need --fit and --annotate: "
    )


async def test_an_outdated_package_is_a_problem(tmp_path: Path, box: Sandbox) -> None:
    """A package that is older than wxcv requires is a problem, with both versions."""
    folder = tmp_path / "redis-4.9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: redis\nVersion: 4.9.9\n")
    code, found = await findings(env=with_path(account(box), tmp_path))

    assert (code, found["extra redis"]["status"]) == (2, "problem")
    assert "redis 4.9.9 is older than 5.2; python -m pip install" in found["extra redis"]["message"]


async def test_ctrl_c_ends_it_at_once() -> None:
    """A signal during a check ends the command with its code, and without a traceback."""
    arrived = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        arrived.set()
        await reader.read()

    async with raw_server(hold) as url, command("doctor", env=environment(url)) as process:
        await asyncio.wait_for(arrived.wait(), 20)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 20)

    assert (process.returncode, err) == (130, b"")
