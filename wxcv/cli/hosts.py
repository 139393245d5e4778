"""Asks a host whether it can be reached, and what time it is there."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import gaierror
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import attrs

from wxcv.cli.running import describe

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SECONDS = 5.0
"""The time that a host has to answer, with name lookup, TCP, TLS and a response."""


class UnreachableError(Exception):
    """The host cannot be reached; the text is the end of a sentence: the cause and the remedy."""


@attrs.frozen
class Host:
    """A host that answered.

    Attributes:
        name: the host and port.
        lag: seconds by which its clock is behind this machine's when it answered, to about a second; None if
            the response does not tell.
    """

    name: str
    lag: float | None


def host_name(url: str) -> str:
    """Return host and port of a base URL."""
    return urlsplit(url).netloc


async def ask_host(url: str) -> Host:
    """Send a request without any data to the host of a base URL.

    It does not use aiohttp, whose name lookup keeps the process from ending for as long as it takes.

    Raises:
        UnreachableError: it did not answer, or not in HTTP.
    """
    try:
        date, now = await _run_in_daemon(lambda: (_request_date(url), time.time()))
    except TimeoutError:
        reason = (
            f"does not answer within {SECONDS:g} s; is this machine online, and does a firewall allow it?"
        )
    except gaierror:
        reason = "has no address here; is this machine online, and does its name lookup (DNS) work?"
    except ssl.SSLCertVerificationError:
        reason = "has no valid certificate; is a proxy or a login page in between, or is the clock wrong?"
    except OSError as error:
        reason = f"cannot be reached ({describe(error)}); does a firewall or a proxy stop it?"
    except (HTTPException, ValueError) as error:
        reason = f"does not answer in HTTP ({type(error).__name__}); is another server at this address?"
    else:
        at = _read_date(date)
        return Host(host_name(url), None if at is None else now - at)
    raise UnreachableError(reason)


def _request_date(url: str) -> str | None:
    """Return the header Date of the response to a HEAD request, whatever its status is."""
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("HEAD", "/", headers={"User-Agent": "wxcv doctor"})
        with connection.getresponse() as response:
            return response.getheader("Date")


def _read_date(text: str | None) -> float | None:
    """Return the Unix time in the header, or None if it has none."""
    try:
        date = parsedate_to_datetime(text or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # the header is missing, or no date
        return None


async def _run_in_daemon(function: Callable[[], T]) -> T:
    """Return what a function returns in a thread that does not keep the process from ending.

    Raises:
        TimeoutError: it takes more than `SECONDS`; the thread runs on.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():  # too late
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type] # of the function

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as raised:  # noqa: BLE001 - raised in the event loop's thread
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wait_for(done, SECONDS)
