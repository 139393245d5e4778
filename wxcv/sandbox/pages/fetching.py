"""Fetching `img_url`, and refusing every address that is nobody's business."""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

import aiohttp

_CHUNK = 64 * 1024
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class FetchError(Exception):
    """The URL is not one to fetch, or fetching it failed."""


class Fetcher:
    """Fetches images over http and https.

    Args:
        limit: bytes; an image must be smaller.
        allow_loopback: whether the URL may lead to this machine. Other addresses that are not on the public
            internet are never connected to.
        seconds: for the whole fetch.
    """

    def __init__(self, *, limit: int, allow_loopback: bool, seconds: float = 10.0) -> None:
        self._limit = limit
        self._allow_loopback = allow_loopback
        # A pooled connection would skip the look at the address; force_close leaves none.
        connector = aiohttp.TCPConnector(socket_factory=self._open_socket, force_close=True)
        self._http = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds),
            trust_env=False,
        )

    async def fetch(self, url: str) -> bytes | None:
        """Return what the URL holds, or None when it holds `limit` bytes or more.

        Raises:
            FetchError: it is not http(s), has a user part, blanks or control characters, leads to an address
                that is refused, answers anything but 200 (redirects are not followed), or takes too long.
        """
        _check_url(url)
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise FetchError(f"HTTP status {answer.status}")
                return await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise FetchError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close what is open."""
        await self._http.close()

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes | None:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) >= self._limit:
                return None
        return bytes(body)

    def _open_socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        """Open a socket for the address that is about to be connected to: names have been resolved here."""
        family, kind, protocol, _, address = addr_info
        if not may_connect(str(address[0]), allow_loopback=self._allow_loopback):
            raise PermissionError("address refused")
        return socket.socket(family, kind, protocol)


def may_connect(address: str, *, allow_loopback: bool) -> bool:
    """Say whether an IP address is on the public internet, or is loopback and that is allowed."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return allow_loopback
    return ip.is_global and not ip.is_multicast


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or _BLANK_OR_CONTROL.search(url):
        raise FetchError("not a URL to fetch")
