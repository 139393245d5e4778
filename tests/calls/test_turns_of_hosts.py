"""The order in which hosts are tried, without a network."""

from __future__ import annotations

import wxcv
from wxcv.calls.hosts import Host, Hosts
from wxcv.protocol.answers import Response


def make(*names: str) -> list[Host]:
    """Make hosts."""
    return [Host(f"https://{name}", name) for name in names]


class Sender:
    """Sends to hosts, of which some cannot be reached."""

    def __init__(self, *failing: Host) -> None:
        self.failing = failing
        self.tried: list[str] = []

    async def send(self, host: Host) -> Response | wxcv.WxcvError:
        """Return a response, or the error of a host that cannot be reached."""
        self.tried.append(host.name)
        if host in self.failing:
            return wxcv.ConnectError(f"cannot reach {host.name}, nothing was sent", reason="x")
        return Response(200, {}, b"{}")


async def test_the_next_host_is_tried_until_one_does_not_fail() -> None:
    """A request goes to the hosts in their order, and ends with the first response."""
    main, other, third = make("main", "other", "third")
    sender, hosts = Sender(main, other), Hosts(main, [other, third], lambda: 0.0)
    result = await hosts.send_in_turn(sender.send, lambda _error, _host: True, "/p")

    assert isinstance(result, Response)
    assert sender.tried == ["main", "other", "third"]


async def test_if_all_hosts_fail_the_error_names_them_all() -> None:
    """With no host left, the main one's error tells of the others, too."""
    main, other = make("main", "other")
    sender, hosts = Sender(main, other), Hosts(main, [other], lambda: 0.0)
    result = await hosts.send_in_turn(sender.send, lambda _error, _host: True, "/p")

    assert str(result) == "cannot reach main, nothing was sent; nor can other be reached"
    assert sender.tried == ["main", "other"]


async def test_an_error_that_is_nobodys_fault_ends_the_turn() -> None:
    """What is not the host's fault, such as a proxy's refusal, is not tried at another host."""
    main, other = make("main", "other")
    sender, hosts = Sender(main), Hosts(main, [other], lambda: 0.0)
    result = await hosts.send_in_turn(sender.send, lambda _error, _host: False, "/p")

    assert str(result) == "cannot reach main, nothing was sent"
    assert sender.tried == ["main"]
