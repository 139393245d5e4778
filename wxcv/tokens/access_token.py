"""AccessToken, and reading one from the response of a token endpoint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from wxcv import checks
from wxcv.errors import ProtocolError
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_LIFE = 7200.0
"""Seconds; longer lifetimes are cut to this, as no token of WeChat is valid for longer."""


@attrs.frozen(repr=False)
class AccessToken(Value):
    """A token and its remaining lifetime. Its repr hides the value, and it cannot be pickled.

    Attributes:
        value: the access_token; secret.
        expires_in: seconds for which it is valid, counted from when this object was made; at most 7,200 are
            used.
        kind: the kind of credential that it came from: "stable", "classic", "component", "authorizer",
            "static", "callback", "cloud" or "relay". What a callback sets here is replaced.
    """

    value: str = attrs.field(repr=False)
    expires_in: float
    kind: str = ""

    def __reduce__(self) -> NoReturn:
        raise TypeError("an AccessToken holds a secret and cannot be pickled; use its value instead")


def read_life(value: object) -> float:
    """Return a lifetime in seconds, at most LONGEST_LIFE; 0 for anything that is not a number."""
    try:
        life = float(value)  # type: ignore[arg-type] # asked to find out
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(life, LONGEST_LIFE) if math.isfinite(life) else 0.0


def find_fault(value: object, life: float, name: str) -> str:
    """Return what is wrong with a token or its lifetime, or "" if nothing is."""
    if not value:
        return f"{name} is missing"
    try:
        checks.check_token_text(name, value)
    except (TypeError, ValueError) as error:
        return str(error)
    return "" if life > 0 else "expires_in must be a number of seconds above 0"


def read_access_token(fields: Mapping[str, Any], kind: str, name: str = "access_token") -> AccessToken:
    """Read the token and its lifetime from a token endpoint's JSON.

    Raises:
        ProtocolError: the token is missing or longer than 2,048 characters, or its lifetime is not a number
            above 0.
    """
    value, life = fields.get(name), read_life(fields.get("expires_in"))
    fault = find_fault(value, life, name)
    if fault:
        raise ProtocolError(f"the response to a token request is unusable: {fault}", status=200)
    return AccessToken(str(value), life, kind)
