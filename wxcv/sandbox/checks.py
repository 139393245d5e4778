"""Checks of arguments; an error names the argument."""

import math


def check_text(name: str, value: object) -> str:
    """Return ASCII text that has no white space and is not empty. The error never shows it."""
    if isinstance(value, str) and value and value.isascii() and value.isprintable() and " " not in value:
        return value
    raise ValueError(f"{name} must be ASCII text without white space, and not empty")


def check_host(name: str, value: object) -> str:
    """Return an IP address or a name that can be looked up."""
    host = check_text(name, value)
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{name} must be an IP address or a host name, not {host[:100]!r}") from None
    return host


def check_integer(name: str, value: object, *, least: int, most: float = math.inf) -> int:
    """Return an integer from `least` to `most`."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError(f"{name} must be an integer from {least} to {most}, not {value!r}")


def check_bool(name: str, value: object) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name} must be True or False, not {value!r}")


def check_seconds(name: str, value: object) -> float:
    """Return a finite number that is not negative."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return value
    raise ValueError(f"{name} must be seconds, 0 or more, not {value!r}")
