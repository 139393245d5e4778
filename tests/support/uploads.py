"""Requests that tests send."""

from __future__ import annotations

from wxcv.protocol.requests import Body, Request

UPLOAD = Request(
    "POST", "/cv/x", (("access_token", "MARKED-TOKEN"),), Body("image/png", (b"head", b"x" * 600_000))
)
BY_URL = Request("POST", "/cv/x", (("access_token", "MARKED-TOKEN"),))
