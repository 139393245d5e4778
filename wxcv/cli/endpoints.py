"""The endpoints that the command line knows, and the extra fields of their pages."""

from __future__ import annotations

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
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"cannot import {name!r}: {error}") from None
    if not isinstance(found, wxcv.Endpoint):
        raise typer.BadParameter(f"{name!r} is no wxcv.Endpoint, but a {type(found).__name__}")
    return found


def parse_fields(endpoint: wxcv.Endpoint[Any], words: Sequence[str]) -> dict[str, str]:
    """Return the extra fields that are given as ``NAME=VALUE``.

    Raises:
        typer.BadParameter: one has no "=", or the endpoint's page does not know its name.
    """
    fields, known = {}, (*endpoint.fields, *endpoint.query_fields)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise typer.BadParameter(f"--field must be NAME=VALUE, not {word!r}")
        if name not in known:
            names = ", ".join(known) or "none"
            raise typer.BadParameter(f"--field {name!r} is not known to {endpoint.name}; it knows {names}")
        fields[name] = value
    return fields
