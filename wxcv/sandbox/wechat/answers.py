"""The JSON of WeChat's answers: refusals, request IDs and encoding."""

import json
import secrets
from collections.abc import Mapping

from wxcv.sandbox.wechat.errmsgs import ERRMSG

Fields = dict[str, object]
"""The JSON object of an answer."""


class Refusal(Exception):  # noqa: N818 - it is one of WeChat's answers, not an error of the sandbox
    """An answer with an errcode, raised wherever a request turns out to be wrong."""

    def __init__(self, errcode: int, errmsg: str | None = None) -> None:
        self.errcode = errcode
        self.errmsg = ERRMSG[errcode] if errmsg is None else errmsg
        super().__init__(errcode, self.errmsg)


def refusal_fields(refusal: Refusal, *, now: float) -> Fields:
    """Return the JSON fields of a refusal at the Unix time `now` (seconds)."""
    return {"errcode": refusal.errcode, "errmsg": f"{refusal.errmsg} rid: {rid(now)}"}


def rid(now: float) -> str:
    """Return a request ID: three groups of 8 hex digits, of which the first is the Unix time `now`."""
    return f"{int(now) & 0xFFFFFFFF:08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def encode(fields: Mapping[str, object]) -> bytes:
    """Return the fields as WeChat sends them: JSON in UTF-8 with as few escapes as possible."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
