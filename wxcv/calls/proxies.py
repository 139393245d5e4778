"""What is known of the proxies on the way: whether one is used, and what they may repeat."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterator


def _iterate_secrets(url: str) -> Iterator[str]:
    try:
        user, password = URL(url).user or "", URL(url).password or ""
    except ValueError:  # of the environment; aiohttp will say so
        return
    if user or password:
        yield password or user
        yield base64.b64encode(f"{user}:{password}".encode("latin-1", "replace")).decode()


def find_secrets(proxy: str | None, *, trust_env: bool) -> tuple[str, ...]:
    """Return what proxies may repeat: passwords, and what is sent of them. A user alone is a password."""
    urls = [proxy or "", *(getproxies().values() if trust_env else ())]
    return tuple(secret for url in urls for secret in _iterate_secrets(url))


def is_proxied(url: str, proxy: str | None, http: object) -> bool:
    """Return whether a request to a URL goes through a proxy: a given one, a ClientSession's or the system's.

    Args:
        url: the URL.
        proxy: the proxy of the request, or None.
        http: the aiohttp.ClientSession, or None.
    """
    if proxy is not None or getattr(http, "_default_proxy", None) is not None:
        return True
    parts = URL(url)
    is_given = getattr(http, "trust_env", False) and parts.scheme in getproxies()
    return is_given and not proxy_bypass(parts.host or "")
