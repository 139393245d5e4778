"""Drives the steps of a refresh by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wxcv.protocol.answers import Response
from wxcv.tokens.credential import (
    RefreshRequest,
)

if TYPE_CHECKING:
    import wxcv
    from wxcv.protocol.requests import Request
    from wxcv.tokens.app import AppCredential
    from wxcv.tokens.credential import Steps


def run(steps: Steps, *replies: object) -> tuple[list[Any], wxcv.AccessToken]:
    """Drive a refresh by hand with these replies; return its steps and its token."""
    seen = []
    try:
        step = next(steps)
        for reply in replies:
            seen.append(step)
            step = steps.send(reply)
    except StopIteration as done:
        return seen, done.value
    raise AssertionError(f"it wants more: {step}")


def refresh(
    credential: AppCredential, body: bytes, *, force: bool = False
) -> tuple[Request, wxcv.AccessToken]:
    """Drive a refresh of one request by hand; return the request, and the token made of the body."""
    (request,), token = run(credential.refresh(RefreshRequest(force=force)), Response(200, {}, body))
    return request, token


ASKED = RefreshRequest()


def answer(**fields: object) -> Response:
    """Make a response."""
    return Response(200, {}, json.dumps(fields).encode())


def body(request: Request) -> dict[str, Any]:
    """Return a request's JSON."""
    assert request.body is not None
    fields: dict[str, Any] = json.loads(request.body.parts[0])
    return fields
