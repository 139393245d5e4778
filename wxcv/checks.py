"""Checks of settings; an error names the argument, and never shows a value that may be a secret."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

TOKEN_LIMIT = 2048
"""Maximum characters of a token; WeChat's documentation asks to reserve 512."""

_MAXIMUM = 1e9
_NAME = r"(?a:[\w-]+(?:\.[\w-]+)*\.?)"
"""A host's name in ASCII; the underscore is not for host names, but is used in private networks."""


def _shown(value: object) -> str:
    """Return how a value appears in a message: a short number as it is, and no value but a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return type(value).__name__
    return repr(value) if type(value) in {int, float} and abs(value) < _MAXIMUM else "this number"


def check_seconds(name: str, value: object, *, least: float = 0.0) -> float:
    """Return a number of seconds above ``least`` and at most 10 ** 9, as a float."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and least < value <= _MAXIMUM:  # type: ignore[operator] # a number
        return float(value)  # type: ignore[arg-type] # a number
    raise ValueError(
        f"{name} must be a number of seconds above {least:g} and at most 10 ** 9, not {_shown(value)}"
    )


def check_integer(name: str, value: object, *, least: int = 1) -> int:
    """Return an integer from ``least`` to 10 ** 9."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MAXIMUM:
        return value
    raise ValueError(f"{name} must be an integer from {least} to 10 ** 9, not {_shown(value)}")


def check_bool(name: str, value: object) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name} must be True or False, not {_shown(value)}")


def check_callable(name: str, value: object) -> None:
    """Raise TypeError if the value cannot be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {_shown(value)}")


def check_path(value: object) -> str:
    """Return the path of a file, an argument ``path``, as a str."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a pathlib.Path, not {type(value).__name__}")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path or path == ":memory:":
        raise ValueError("path must be that of a file: a str, not empty, without null bytes, not :memory:")
    return path


def check_text(name: str, value: object) -> str:
    """Return a str that is not empty and printable. The error never shows it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value or not value.isprintable():
        raise ValueError(f"{name} must not be empty, and must be printable")
    return value


def check_token_text(name: str, value: object, *, most: int = TOKEN_LIMIT) -> str:
    """Return a token, secret or ID: a str, not empty, ASCII, no white space. The error never shows it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    if len(value) > most:
        raise ValueError(f"{name} must have at most {most:,} characters, not {len(value):,}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{name} must be ASCII without white space; was it copied with a line end?")
    return value


def check_instance(name: str, value: object, kind: type) -> None:
    """Raise TypeError for an object of another class. It may be a secret and is never shown."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}, not {type(value).__name__}")


def check_optional(name: str, value: object, kind: str, *methods: str) -> None:
    """Raise TypeError for anything but None or an object that has the methods of a Protocol."""
    if isinstance(value, type):  # which has the methods, too
        raise TypeError(f"{name} must be an object, not the class {value.__name__:.100}")
    if value is not None and not all(callable(getattr(value, method, None)) for method in methods):
        raise TypeError(f"{name} must be a {kind}, not {type(value).__name__}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_host(host: str) -> bool:
    """Tell whether a URL's host can be looked up: an address, or a name, perhaps not in ASCII."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    return re.fullmatch(_NAME, host.encode("idna").decode()) is not None


def _split_url(name: str, value: object) -> SplitResult:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f"{name} must be an http or https URL with a host (and a port from 1 to 65535)")
    return parts


def check_base_url(value: object, *, allow_http: bool, name: str = "base_url") -> str:
    """Return scheme, host and port; plain HTTP is for loopback hosts unless ``allow_http`` is True."""
    parts = _split_url(name, value)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not have a user part (not shown)")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{name} must end after host and port: no path, query or fragment")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname or ""):
        raise ValueError(
            f"{name} is plain http, which lets anyone on the network path read the secret; use https, "
            "or pass allow_http=True"
        )
    return f"{parts.scheme}://{parts.netloc}"


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host and port that a checked base URL leads to."""
    parts = urlsplit(url)
    return (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def check_proxy(value: object) -> str | None:
    """Return the proxy's URL, or None; its user and password are never shown."""
    if value is None:
        return None
    parts = _split_url("proxy", value)
    try:
        user, _ = (
            unquote_to_bytes(part or "").decode().encode("latin-1")
            for part in (parts.username, parts.password)
        )
        usable = b":" not in user
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            "proxy must have a user without a colon, and in user and password (not shown) only characters of "
            "Latin-1, percent-encoded as UTF-8"
        )
    return value  # type: ignore[return-value] # checked by _split_url
