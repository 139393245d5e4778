"""The envelope that WeChat puts around every answer, and its words for a refusal."""

import json
import secrets
from collections.abc import Mapping

Fields = dict[str, object]
"""The JSON object of an answer."""

ERRMSG = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40125: "invalid appsecret",
    40164: "invalid ip, not in whitelist",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41018: "missing component_appid",
    42001: "access_token expired",
    42006: "component_access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit mustslower retry next minute",
    47001: "data format error",
    48001: "api unauthorized",
    61003: "component is not authorized by this account",
    61004: "access clientip is not registered",
    61005: "component ticket is expired",
    61006: "component ticket is invalid",
    61007: "api is unauthorized to component",
    61011: "invalid component",
    61014: "must use component token for component api",
    61015: "must use biz account token for not component api",
    61023: "refresh_token is invalid",
    85113: "cloudbase_token is not ready yet, please try again later",
    101000: "invalid image url",
    101002: "invalid image data",
    101003: "not enough market quota",
}
"""What each errcode says when its page has no other text for it."""


class Refusal(Exception):  # noqa: N818 - it is one of WeChat's answers, not a fault of the sandbox
    """An answer with an errcode, from wherever the request turned out to be wrong."""

    def __init__(self, errcode: int, errmsg: str | None = None) -> None:
        self.errcode = errcode
        self.errmsg = ERRMSG[errcode] if errmsg is None else errmsg
        super().__init__(errcode, self.errmsg)


def refusal_fields(refusal: Refusal, *, now: float) -> Fields:
    """Return the JSON fields of a refusal that was given at the Unix time `now` (seconds)."""
    return {"errcode": refusal.errcode, "errmsg": f"{refusal.errmsg} rid: {rid(now)}"}


def rid(now: float) -> str:
    """Return a request id: three groups of 8 hex digits, the first of them the Unix time `now` (seconds)."""
    return f"{int(now) & 0xFFFFFFFF:08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def encode(fields: Mapping[str, object]) -> bytes:
    """Return the fields as WeChat sends them: JSON in UTF-8 with nothing escaped that need not be."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
