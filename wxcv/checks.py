"""Checks of what callers configure: a bad argument is named, and never shown when it is a secret."""

from __future__ import annotations

import ipaddress
import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def seconds(name: str, value: object) -> float:
    """Return a finite number of seconds above 0."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    raise ValueError(f"{name} must be a finite number of seconds above 0, not {value!r}")


def whole(name: str, value: object, *, least: int = 1) -> int:
    """Return an integer that is at least ``least``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")


def plain(name: str, value: object) -> str:
    """Return a credential's text: not empty, ASCII, without white space. Its value is never shown."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{name} must be ASCII without white space; was it copied with a line end?")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(name: str, value: object) -> SplitResult:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        parts = urlsplit(value)
        (parts.hostname or "").encode("idna")
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f"{name} must be an http or https URL with a host")
    return parts


def base_url(value: object, *, allow_http: bool, name: str = "base_url") -> str:
    """Return scheme, host and port; plain http is for loopback hosts unless it is allowed."""
    parts = _split(name, value)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not have a user part (not shown)")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{name} must end after host and port: no path, query or fragment")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname or ""):
        raise ValueError(
            f"{name} is plain http, which shows the secret to everyone on the way; use https, "
            "or pass allow_http=True"
        )
    return f"{parts.scheme}://{parts.netloc}"


def proxy(value: object) -> str | None:
    """Return the proxy's URL, or None; its user and password are never shown."""
    if value is not None:
        _split("proxy", value)
    return value  # type: ignore[return-value] # checked by _split
