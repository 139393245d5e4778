"""The endpoints that the command line knows, and parsing of --field."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

import wxcv

if TYPE_CHECKING:
    from collections.abc import Sequence


def public_endpoints() -> dict[str, wxcv.Endpoint[Any]]:
    """Return the endpoints among the public names of wxcv, by the names of their commands."""
    values = [getattr(wxcv, name) for name in dir(wxcv) if name.isupper()]
    endpoints = [value for value in values if isinstance(value, wxcv.Endpoint)]
    return {endpoint.name.replace("_", "-"): endpoint for endpoint in endpoints}


def find_endpoint(name: str) -> wxcv.Endpoint[Any]:
    """Return the endpoint of that name, or the one that ``module:NAME`` names.

    Raises:
        typer.BadParameter: there is none.
    """
    known = public_endpoints()
    endpoint = known.get(name.replace("_", "-"))
    if endpoint is not None:
        return endpoint
    module, _, attribute = name.partition(":")
    if not attribute:
        raise typer.BadParameter(f"no endpoint {name!r}; there are {', '.join(known)}, and module:NAME")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the working directory, as with python -m
    try:
        found = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module of the caller's may do anything
        reason = f"{type(error).__name__}: {error}"[:200]
        raise typer.BadParameter(f"cannot import {name!r} ({reason})") from None
    if not isinstance(found, wxcv.Endpoint):
        raise typer.BadParameter(f"{name!r} is not a wxcv.Endpoint, but of class {type(found).__name__}")
    return found


def parse_fields(endpoint: wxcv.Endpoint[Any], words: Sequence[str]) -> dict[str, str]:
    """Return the extra fields that are given as ``NAME=VALUE``.

    Raises:
        typer.BadParameter: one has no "=", a name that the endpoint does not accept, or an odd value.
    """
    fields, accepted = {}, (*endpoint.fields, *endpoint.query_fields)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise typer.BadParameter(f"--field must be NAME=VALUE, not {word!r}")
        if name not in accepted:
            names = ", ".join(accepted) or "none"
            raise typer.BadParameter(f"{endpoint.name} has no field {name!r}; it accepts: {names}")
        if not value.isprintable():
            raise typer.BadParameter(f"--field {name!r} must have a printable value")
        fields[name] = value
    return fields
