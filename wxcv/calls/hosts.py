"""Hosts: which of several servers of the same API the next request goes to, without I/O.

WeChat's hosts, according to its documentation, and what else is known of them:

| host | purpose |
|---|---|
| api.weixin.qq.com | general; the nearest access point. It is the default ``base_url`` |
| api2.weixin.qq.com | general, at a remote place; for when the first cannot be reached |
| sh.api.weixin.qq.com | access point in Shanghai |
| sz.api.weixin.qq.com | access point in Shenzhen |
| hk.api.weixin.qq.com | access point in Hong Kong |

WeChat advises to choose by latency, to keep others as a fallback, and to use names rather than IP addresses.
It does not say whether every host serves the image endpoints, and wxcv's authors could not try it; a fallback
that does not is not used again. Cloud hosting's relay is documented for api.weixin.qq.com only.

Source: https://developers.weixin.qq.com/doc/service/Basic_Information/Interface_field_description.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from wxcv.errors import ConnectError
from wxcv.protocol.answers import Response, is_unknown_path
from wxcv.stores.base import REFRESH_DEADLINE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from wxcv.errors import WxcvError

logger = logging.getLogger("wxcv")

FALLBACK_URLS = ("https://api2.weixin.qq.com",)
"""The base URLs for ``Session(fallback_urls=...)``: WeChat's host for disaster recovery.

``python -m pydoc wxcv.calls.hosts`` lists WeChat's other hosts.
"""

CONNECT_TIMEOUT = 5.0
"""Maximum seconds for a connection: name lookup, TCP and TLS."""

_PAUSE = 60.0
_SERVER_ERROR = 500
# Failures to connect, by ConnectError.reason. Any other one, such as that of a proxy, is no host's.
_HOST_FAULTS = {"ClientConnectorError"}
_DIRECT_HOST_FAULTS = _HOST_FAULTS | {  # through a proxy, these may be the proxy's
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorSSLError",
    "ConnectionTimeoutError",
    "ServerFingerprintMismatch",
}
_ATTEMPT_TIMEOUT = "TimeoutError"


@attrs.define(eq=False)
class Host:
    """A server of the API.

    Attributes:
        url: its base URL.
        name: its host and port, for messages.
        paused_until: the monotonic time until which it is not used because it failed; None if it did not.
    """

    url: str
    name: str
    paused_until: float | None = None


def limit_connect_timeout(call_timeout: float, fallbacks: int) -> float:
    """Return the seconds for a connection, so that a call or token refresh has time for every host."""
    if not fallbacks:
        return CONNECT_TIMEOUT
    # A refresh may end while the last host is tried; a call has as much time again for its exchange.
    return min(CONNECT_TIMEOUT, REFRESH_DEADLINE / (fallbacks + 1), call_timeout / (fallbacks + 2))


def is_host_fault(error: ConnectError, *, is_proxied: bool, is_pool_shared: bool) -> bool:
    """Return whether the host itself failed, rather than a proxy or something here.

    Args:
        error: of a request to it of which nothing was sent.
        is_proxied: whether the request went through a proxy.
        is_pool_shared: whether others use the connection pool, so that the time for an attempt may have
            passed while the request waited for a connection of theirs.
    """
    if error.reason == _ATTEMPT_TIMEOUT:
        return not is_proxied and not is_pool_shared
    return error.reason in (_HOST_FAULTS if is_proxied else _DIRECT_HOST_FAULTS)


def _combine(errors: Mapping[Host, ConnectError], main: Host) -> ConnectError:
    """Return the main host's error, which names the other hosts that failed."""
    error, others = errors[main], [host.name for host in errors if host is not main]
    if not others:
        return error
    message = f"{error.args[0]}; nor can {' or '.join(others)} be reached"
    return ConnectError(message, reason=error.reason, errno=error.errno)


class Hosts:
    """The hosts of a session, and which of them failed.

    Args:
        main: the host that is used while it can be reached.
        fallbacks: the hosts to use, in this order, while those before them fail.
        monotonic: returns monotonic time in seconds.

    Attributes:
        main: the host that is used while it can be reached.
    """

    def __init__(self, main: Host, fallbacks: Sequence[Host], monotonic: Callable[[], float]) -> None:
        self.main = main
        self._hosts = [main, *fallbacks]
        self._monotonic = monotonic

    async def send_in_turn(
        self,
        send: Callable[[Host], Awaitable[Response | WxcvError]],
        is_fault: Callable[[ConnectError, Host], bool],
        path: str,
    ) -> Response | WxcvError:
        """Send a request to one host after another until one did not fail; return the response or error.

        Args:
            send: sends the request to a host once; it returns a ConnectError if nothing was sent.
            is_fault: whether such an error is the host's fault, so that the next host is tried.
            path: the path of the request.
        """
        errors: dict[Host, ConnectError] = {}
        while (host := self.choose(errors)) is not None:
            is_probe = host.paused_until is not None
            result = await send(host)
            if not isinstance(result, ConnectError) or not is_fault(result, host):
                if isinstance(result, Response):
                    self._record_response(host, result, path, is_probe=is_probe)
                return result
            self.record_failure(host)
            errors[host] = result
        return _combine(errors, self.main)

    def choose(self, tried: Collection[Host]) -> Host | None:
        """Return the host to try next: the first one that is reachable or due for a probe, else the main one.

        A host that failed is due after 60 s. Returning it starts another 60 s, so that one request probes it.

        Args:
            tried: the hosts that the request has tried already, of which none is returned; None if no other
                is left.
        """
        for host in self._hosts:
            if host in tried:
                continue
            if host.paused_until is None:
                return host
            now = self._monotonic()
            if now >= host.paused_until:
                host.paused_until = now + _PAUSE
                return host
        return None if self.main in tried else self.main

    def record_failure(self, host: Host) -> None:
        """Do not use a host for 60 s."""
        if host.paused_until is None:
            logger.warning("%s cannot be reached; it is not used for %g s", host.name, _PAUSE)
        host.paused_until = self._monotonic() + _PAUSE

    def _record_response(self, host: Host, response: Response, path: str, *, is_probe: bool) -> None:
        """Return to a host that has responded to a probe, and drop a fallback that does not know the path."""
        if is_probe and response.status < _SERVER_ERROR:
            host.paused_until = None
            logger.info("%s can be reached again", host.name)
        if host is not self.main and host in self._hosts and is_unknown_path(response):
            self._hosts.remove(host)
            logger.warning("%s does not know %s; it is not used again in this session", host.name, path)
