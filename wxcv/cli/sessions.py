"""Opens what a command needs: the sandbox, the store and the session."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

import typer

import wxcv
from wxcv.cli import exits, output
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AsyncExitStack

    from wxcv.cli.options import SessionSettings

_REDIS = re.compile(r"(redis|rediss|unix)://", re.IGNORECASE)
# A scheme (one letter is a drive of Windows), or a user and a password; not an absolute path, nor one with ./
_LIKE_A_URL = re.compile(
    r"(?!\.{0,2}/(?!/)|[a-z]:[\\/])(\s*[a-z][a-z0-9+.-]+:|.*:(//|.*@))", re.IGNORECASE | re.DOTALL
)


async def start_sandbox(stack: AsyncExitStack, box: Sandbox, where: str = "") -> Sandbox:
    """Start a sandbox, or exit with a message."""
    try:
        return await stack.enter_async_context(box)
    except ImportError as error:
        output.say(str(error))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        output.say(f"the sandbox cannot listen {where}({reason}); try another --host or --port")
    raise typer.Exit(exits.USAGE)


def _is_redis(place: str) -> bool:
    """Tell a URL of Redis from a path; refuse what seems to be another URL, which may hold a password."""
    if _REDIS.match(place):
        return True
    if _LIKE_A_URL.match(place):
        raise ValueError(
            "it looks like a URL (not shown), but begins with none of redis://, rediss:// and unix://; for "
            "a file of that name, give its absolute path"
        )
    return False


async def _open_store(stack: AsyncExitStack, place: str) -> wxcv.Store:
    """Open the store, or exit with a message that never shows a URL, which may hold a password."""
    try:
        if not _is_redis(place):
            return await stack.enter_async_context(wxcv.SQLiteStore(place))
        # In a thread, as redis-py reads files when it makes a client.
        store = await asyncio.to_thread(wxcv.RedisStore.from_url, place)
        return await stack.enter_async_context(store)
    except (ValueError, ImportError) as error:
        output.say(f"cannot open the store of --store or WXCV_STORE: {error}")
    raise typer.Exit(exits.USAGE)


def _make_session(box: Sandbox | None, settings: SessionSettings, keywords: dict[str, Any]) -> wxcv.Session:
    """Make the session of the sandbox or of the environment's account, or exit with a message."""
    try:
        if box is not None:
            credential = wxcv.AppCredential(box.appid, box.secret)
            return wxcv.Session(credential, base_url=box.base_url, **keywords)
        if settings.needs_account_for is not None:
            _require_account(settings.needs_account_for)
        return wxcv.Session.from_env(**keywords)
    except ImportError as error:
        output.say(f"cannot use --fit: {error}")
        raise typer.Exit(exits.USAGE) from None
    except ValueError as error:
        output.say(f"cannot open a session: {error} (or use --sandbox, which needs no account)")
    raise typer.Exit(exits.ACCOUNT)


def _require_account(what: str) -> None:
    """Refuse a token alone, with the names of variables instead of those of Python."""
    if os.environ.get("WXCV_ACCESS_TOKEN") and not os.environ.get("WXCV_APPID"):
        raise ValueError(
            f"{what} needs to know the account, which WXCV_ACCESS_TOKEN does not tell; set WXCV_APPID and "
            "WXCV_SECRET instead"
        )


async def open_session(
    stack: AsyncExitStack,
    settings: SessionSettings,
    endpoints: Iterable[wxcv.Endpoint[Any]],
    **keywords: Any,  # noqa: ANN401 - of Session
) -> wxcv.Session:
    """Open a session for calls to these endpoints, with its store and sandbox; the stack closes them all.

    Args:
        stack: closes them.
        settings: the options of the command.
        endpoints: which are called.
        keywords: of Session, besides those of the options.
    """
    box = None
    if settings.sandbox:
        box = await start_sandbox(stack, Sandbox(appid=settings.sandbox_appid))
    keywords |= settings.as_keywords(endpoints)
    if settings.store is not None:
        keywords["store"] = await _open_store(stack, settings.store)
    return await stack.enter_async_context(_make_session(box, settings, keywords))
