"""Fetches `img_url`, refusing addresses that are not public."""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

import aiohttp

_CHUNK = 64 * 1024
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class FetchError(Exception):
    """The URL is not allowed, or fetching it failed."""


class Fetcher:
    """Fetches images over http and https.

    Args:
        limit: size in bytes that an image must stay below.
        allow_loopback: whether the URL may point to this machine. Other addresses that are not public are
            never connected to.
        seconds: the time limit of a fetch.
    """

    def __init__(self, *, limit: int, allow_loopback: bool, seconds: float = 10.0) -> None:
        self._limit = limit
        self._allow_loopback = allow_loopback
        # A pooled connection would bypass the check of the address; force_close prevents pooling.
        connector = aiohttp.TCPConnector(socket_factory=self._open_socket, force_close=True)
        self._http = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds),
            trust_env=False,
        )

    async def fetch(self, url: str) -> bytes | None:
        """Return the bytes at the URL, or None if there are `limit` bytes or more.

        Raises:
            FetchError: the URL is not http(s), has a user part, blanks or control characters, points to an
                address that is not allowed, returns anything but 200 (redirects are not followed), or takes
                too long.
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
        """Close all connections."""
        await self._http.close()

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes | None:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) >= self._limit:
                return None
        return bytes(body)

    def _open_socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        """Open a socket for an address, after checking it; names are already resolved."""
        family, kind, protocol, _, address = addr_info
        if not may_connect(str(address[0]), allow_loopback=self._allow_loopback):
            raise PermissionError("address refused")
        return socket.socket(family, kind, protocol)


def may_connect(address: str, *, allow_loopback: bool) -> bool:
    """Return whether an IP address is public, or loopback if that is allowed."""
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
