"""AccessToken, and how one is read from an answer."""

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
"""Seconds; no token of WeChat lives longer, whatever an answer says."""


@attrs.frozen(repr=False)
class AccessToken(Value):
    """A token and its life; its repr hides the value and it refuses to be pickled.

    Attributes:
        value: secret.
        expires_in: seconds of life left when it was answered.
        kind: which kind of credential it came from, such as "stable".
    """

    value: str = attrs.field(repr=False)
    expires_in: float
    kind: str = ""

    def __reduce__(self) -> NoReturn:
        raise TypeError("an AccessToken holds a secret and is not pickled; take its value yourself")


def read_life(value: object) -> float:
    """Return seconds, at most LONGEST_LIFE; 0 for what is no life."""
    try:
        life = float(value)  # type: ignore[arg-type] # asked to find out
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(life, LONGEST_LIFE) if math.isfinite(life) else 0.0


def find_fault(value: object, life: float, name: str) -> str:
    """Say what is wrong with a token and its life, or "" if nothing is."""
    if not value:
        return f"{name} is missing"
    try:
        checks.plain(name, value)
    except (TypeError, ValueError) as error:
        return str(error)
    return "" if life > 0 else "expires_in must be a number of seconds above 0"


def read_access_token(fields: Mapping[str, Any], kind: str, name: str = "access_token") -> AccessToken:
    """Read token and life from a token endpoint's JSON.

    Raises:
        ProtocolError: no token, one of more than 2,048 characters, or a life that is no number above 0.
    """
    value, life = fields.get(name), read_life(fields.get("expires_in"))
    fault = find_fault(value, life, name)
    if fault:
        raise ProtocolError(f"the answer to a token request cannot be used: {fault}", status=200)
    return AccessToken(str(value), life, kind)
