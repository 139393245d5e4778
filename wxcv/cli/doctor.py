"""``wxcv doctor``: checks what the other commands need, and prints a remedy for each problem."""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
import typer

import wxcv
from wxcv.cli import exits, options, output
from wxcv.cli.extras import USERS, find_extras, find_version
from wxcv.cli.hosts import SECONDS, Host, UnreachableError, ask_host, host_name
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.running import run
from wxcv.cli.sessions import enter_store, start_sandbox
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SUMMARY = "Check what other commands need, and print what to do about each problem."
HELP = (
    f"{SUMMARY}\n\nChecks the installed packages, the store, the credentials, the hosts and the clock. Sends "
    "no image, and leaves nothing in the store. Fetches one token (with two more tries if WeChat is busy), "
    "which leaves the current one valid. The exit code is 0, or that of the first problem."
)

_LARGEST_DIFFERENCE = 60.0  # seconds
_UNCERTAINTY = 2.0  # seconds: a host tells whole ones, and takes time to answer
_TOKEN_SECONDS = 15.0


@attrs.frozen
class Finding:
    """The result of a check.

    Attributes:
        check: what was checked.
        status: "ok", "problem", or "skipped" for what is not needed or could not be checked.
        message: what was found, and the remedy.
        exit_code: the exit code for a problem; otherwise 0.
    """

    check: str
    status: Literal["ok", "problem", "skipped"]
    message: str
    exit_code: int = attrs.field(default=exits.ALL_READ, kw_only=True)


def _problem(check: str, message: str, exit_code: int) -> Finding:
    return Finding(check, "problem", message, exit_code=exit_code)


def _check_versions() -> Iterator[Finding]:
    version = find_version("wxcv") or "of an unknown version"
    yield Finding("python", "ok", f"Python {platform.python_version()}, wxcv {version}")
    try:
        import sqlite3  # noqa: PLC0415 - some builds of Python lack it
    except ImportError:
        yield _problem("sqlite", "this Python has no sqlite3, which --store PATH needs", exits.USAGE)
    else:
        yield Finding("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")


def _check_extras() -> Iterator[Finding]:
    extras = find_extras()
    for extra, packages in extras.items():
        install = f'python -m pip install "wxcv[{extra}]"'
        missing = [package.name for package in packages if package.version is None]
        outdated = [one for one in packages if one.is_outdated]
        check = f"extra {extra}"
        if outdated:
            text = ", ".join(f"{one.name} {one.version} is older than {one.least}" for one in outdated)
            yield _problem(check, f"{text}; {install}", exits.USAGE)
        elif missing:
            names = " and ".join(missing)
            are = "is" if len(missing) == 1 else "are"
            message = f"{names} {are} not installed; if you need {USERS[extra]}: {install}"
            yield Finding(check, "skipped", message)
        else:
            text = ", ".join(f"{one.name} {one.version}" for one in packages)
            yield Finding(check, "ok", f"{text}, for {USERS[extra]}")
    if not extras:
        yield Finding("extras", "skipped", "unknown, as wxcv was not installed with pip")


async def _check_store(place: str | None) -> Finding:
    """Open the store, and write and remove something in it."""
    if place is None:
        message = (
            "neither --store nor WXCV_STORE is given; commands share no tokens, and daily limits only among "
            "runs of wxcv batch"
        )
        return Finding("store", "skipped", message)
    try:
        async with asyncio.timeout(SECONDS), AsyncExitStack() as stack:
            store = await enter_store(stack, place)
            key, owner = f"doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
            await store.acquire(key, owner)
            await store.release(key, owner)
    except (ValueError, ImportError) as error:
        return _problem("store", f"cannot open the store of --store or WXCV_STORE: {error}", exits.USAGE)
    except wxcv.StoreError as error:
        return _problem("store", str(error), exits.SOME_FAILED)
    except TimeoutError:
        return _problem("store", f"the store does not answer within {SECONDS:g} s", exits.SOME_FAILED)
    return Finding("store", "ok", "the store can be opened and written")


def _find_base_url() -> str:
    """Return the base URL of the environment, or WeChat's own.

    Raises:
        ValueError: it cannot be used.
    """
    url = os.environ.get("WXCV_BASE_URL") or wxcv.AppCredential.base_url
    try:
        wxcv.Session(wxcv.StaticTokenCredential("none"), base_url=url)  # which checks it
    except ValueError as error:
        raise ValueError(str(error).replace("base_url", "WXCV_BASE_URL", 1)) from None
    return url


async def _check_host(url: str, *, is_fallback: bool) -> tuple[Finding, Host | None]:
    name = host_name(url)
    note = " (for programs with fallback_urls)" if is_fallback else ""
    try:
        host = await ask_host(url)
    except UnreachableError as error:
        return _problem("host", f"{name}{note} {error}", exits.UNREACHABLE), None
    return Finding("host", "ok", f"{name}{note} answers"), host


def _check_clock(host: Host | None) -> Finding:
    """Compare this machine's clock with what the host has just said."""
    if host is None:
        return Finding("clock", "skipped", "unknown, as no host answered that tells the time")
    if host.lag is None:
        return Finding("clock", "skipped", f"{host.name} does not tell the time")
    if abs(host.lag) < _UNCERTAINTY:
        return Finding("clock", "ok", f"this machine's clock agrees with {host.name}")
    direction = "ahead of" if host.lag > 0 else "behind"
    text = f"this machine's clock is {abs(host.lag):,.0f} s {direction} {host.name}"
    if abs(host.lag) <= _LARGEST_DIFFERENCE:
        return Finding("clock", "ok", text)
    remedy = "set it: the tokens in a store and the days of daily limits depend on it"
    return _problem("clock", f"{text}; {remedy}", exits.SOME_FAILED)


def _open_session(box: Sandbox | None, base_url: str) -> wxcv.Session:
    if box is None:
        return wxcv.Session.from_env(base_url=base_url)
    return wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=base_url)


def _check_credentials(box: Sandbox | None) -> Finding:
    if box is not None:
        return Finding("credentials", "ok", "the sandbox has an account of its own")
    try:
        wxcv.Session.from_env(base_url=wxcv.AppCredential.base_url)  # which checks them
    except ValueError as error:
        return _problem("credentials", str(error), exits.ACCOUNT)
    if os.environ.get("WXCV_ACCESS_TOKEN"):
        return Finding("credentials", "ok", "WXCV_ACCESS_TOKEN is set: a token of an account unknown to wxcv")
    return Finding("credentials", "ok", "WXCV_APPID and WXCV_SECRET are set: an account with stable tokens")


async def _check_token(
    box: Sandbox | None, base_url: str, host: Host | None, credentials: Finding
) -> Finding:
    """Fetch a token without the store, so that the secret is checked."""
    if credentials.status != "ok":
        return Finding("token", "skipped", "there are no credentials to fetch a token with")
    if host is None:
        return Finding("token", "skipped", f"{host_name(base_url)} cannot be reached")
    if box is None and os.environ.get("WXCV_ACCESS_TOKEN"):
        return Finding("token", "skipped", "WXCV_ACCESS_TOKEN can only be tried; `wxcv quota menu` tries it")
    try:
        async with asyncio.timeout(_TOKEN_SECONDS), _open_session(box, base_url) as session:
            token = await session.token()
    except wxcv.WxcvError as error:
        return _problem("token", str(error), exits.code_of_token(error))
    except TimeoutError:
        return _problem("token", f"no token came within {_TOKEN_SECONDS:g} s", exits.UNREACHABLE)
    return Finding(
        "token", "ok", f"{host_name(base_url)} gave a token that is valid for {token.expires_in:,.0f} s"
    )


async def _find_all(box: Sandbox | None, store: str | None) -> AsyncIterator[Finding]:
    """Yield the findings of all checks, each as soon as it is known."""
    for finding in (*_check_versions(), *_check_extras()):
        yield finding
    yield await _check_store(store)
    credentials = _check_credentials(box)
    yield credentials
    try:
        base_url = _find_base_url() if box is None else box.base_url
    except ValueError as error:
        yield _problem("host", str(error), exits.ACCOUNT)
        return
    fallbacks = wxcv.FALLBACK_URLS if base_url == wxcv.AppCredential.base_url else ()
    urls = (base_url, *fallbacks)
    checks = [_check_host(url, is_fallback=url in fallbacks) for url in urls]
    (host_finding, host), *others = await asyncio.gather(*checks)
    clock = _check_clock(host)
    for finding in (host_finding, *(finding for finding, _ in others), clock):
        yield finding
    yield await _check_token(box, base_url, host, credentials)


async def _report(store: str | None, *, sandbox: bool, as_json: bool) -> int:
    """Print the findings, and return the exit code of the first problem."""
    code = exits.ALL_READ
    with Interrupts() as interrupts:
        async with AsyncExitStack() as stack:
            box = await start_sandbox(stack, Sandbox()) if sandbox else None
            async for finding in _find_all(box, store):
                code = code or finding.exit_code
                if as_json:
                    output.print_object(attrs.asdict(finding))
                else:
                    output.print_lines([f"{finding.status:<7}  {finding.check:<17}  {finding.message}"])
        return code
    return interrupts.exit_code or exits.SOME_FAILED


def doctor(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per check, one per line.")
    ] = False,
    sandbox: options.UseSandbox = False,
    store: options.Store = None,
) -> None:
    """Print the findings, and exit with the code of the first problem."""
    run(_report(store, sandbox=sandbox, as_json=as_json))
