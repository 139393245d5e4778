"""Takes secrets out of texts that WeChat, or a proxy on the way, sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASCII = 127
_NAMES_OF_SECRETS = (
    "(?:cloudbase_|component_|authorizer_)?access_token|appsecret|component_appsecret|secret|"
    "(?:authorizer_)?refresh_token|component_verify_ticket|img_url"
)
_SECRET_PAIR = (
    rf"(?i)(?P<name>{_NAMES_OF_SECRETS})(?P<sign>=|%3d|%253d|\\?[\"']\s*:\s*\\?[\"']?)[^&\s\"'<>\\]+"
)


def _any_form(char: str) -> str:
    """Return a pattern for a character as servers repeat it: percent-encoded, or escaped for JSON or HTML."""
    if char.isalnum() and char.isascii():
        return char
    percent = (
        quote(char, safe="").replace("%", "%(?:25)*") if ord(char) > _ASCII else f"%(?:25)*{ord(char):02x}"
    )
    escaped = "".join(rf"\\u{unit:04x}" for unit in _utf16(char))
    return rf"(?:\\*{re.escape(char)}|(?i:{percent}|\\*{escaped}|&\w+;|&#\w+;))"


def _utf16(char: str) -> list[int]:
    units = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]


def mask(text: str, known: Iterable[str] = ()) -> str:
    """Return the text without the known secrets, in any usual encoding, and without values named like one."""
    for secret in filter(None, known):
        text = re.sub("".join(map(_any_form, secret)), "***", text)
    return re.sub(_SECRET_PAIR, r"\g<name>\g<sign>***", text)
