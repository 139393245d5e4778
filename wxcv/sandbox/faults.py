"""Fault: one way for a request to go wrong. FaultPlan: which request gets which fault."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wxcv.sandbox.checks import check_bool, check_integer, check_seconds
from wxcv.sandbox.wechat.answers import Refusal
from wxcv.sandbox.wechat.errmsgs import ERRMSG


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way for a request to go wrong.

    `errcode`, `status` and `body` replace the endpoint's own response. The other arguments are applied to
    that response, or to the endpoint's own if none of the three is given.

    Args:
        errcode: the errcode of a refusal by WeChat.
        errmsg: the text of the refusal, to which a rid is added. None or "" uses WeChat's own text, and
            "errcode N" for a code that the sandbox does not know.
        status: the HTTP status. Without `errcode` and `body` the body is empty.
        headers: headers of the response, which override its own: `{"Location": url}` with status 307 is a
            redirect, `{"Content-Type": "text/html"}` with a body is a captive portal. A status or body
            without `errcode` has no relay header, as if the request had never reached WeChat.
        body: any bytes as the body of the response.
        delay: real seconds to wait before anything else.
        drop: reset the connection without a response: "before" the body of the request is read, or "after"
            the endpoint has processed the request (unless errcode, status or body replaces its response), so
            that a token was issued, a refresh token rotated or quota used.
        cut: close the connection in the middle of the body, after announcing its full Content-Length.
        drip: send the body byte by byte with this many real seconds after each, followed by endless spaces.
        stall: never read the body of the request and never respond, until the sandbox closes. The client's
            own buffer still fills; a whole upload fits in, unless the client made its SO_SNDBUF small.

    Raises:
        TypeError, ValueError: an argument is unusable, alone or with another one; the message names it.

    The failures of cloud hosting's relay are `Fault(errcode=41001)` (it is switched off),
    `Fault(errcode=85107)` (the path is not on its allow-list), `Fault(errcode=85113)` (it is not ready),
    status 502 with a JSON body that has `error_code` and no `errcode`, and `Fault(status=404)` (there is no
    relay).
    """

    errcode: int | None = None
    errmsg: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes | None = None
    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    cut: bool = False
    drip: float | None = None
    stall: bool = False

    def __post_init__(self) -> None:
        self._check_answer()
        self._check_delivery()
        self._check_together()

    @property
    def replaces(self) -> bool:
        """Whether it replaces the endpoint's own response."""
        return (self.errcode, self.status, self.body) != (None, None, None)

    @property
    def refusal(self) -> Refusal | None:
        """The refusal that replaces the endpoint's own response, or None."""
        if self.errcode is None:
            return None
        return Refusal(self.errcode, self.errmsg or ERRMSG.get(self.errcode, f"errcode {self.errcode}"))

    def _check_answer(self) -> None:
        if self.errcode is not None:
            check_integer("errcode", self.errcode, least=-(2**31), most=2**31)
        if self.errmsg is not None and not isinstance(self.errmsg, str):
            raise ValueError(f"errmsg must be text, not {self.errmsg!r}")
        if self.status is not None:
            check_integer("status", self.status, least=200, most=599)
        if self.body is not None and not isinstance(self.body, bytes):
            raise ValueError(f"body must be bytes, not {self.body!r}")
        if not isinstance(self.headers, Mapping) or not all(map(_is_header, self.headers.items())):
            raise ValueError(
                "headers must map names to single-line texts, without Content-Length and Transfer-Encoding"
            )

    def _check_delivery(self) -> None:
        check_seconds("delay", self.delay)
        if self.drip is not None:
            check_seconds("drip", self.drip)
        if self.drop not in {None, "before", "after"}:
            raise ValueError(f"drop must be 'before', 'after' or None, not {self.drop!r}")
        check_bool("cut", self.cut)
        check_bool("stall", self.stall)

    def _check_together(self) -> None:
        if self.errmsg is not None and self.errcode is None:
            raise ValueError("errmsg requires errcode")
        answered = self.replaces or bool(self.headers)
        ends = [self.cut, self.drip is not None, self.drop is not None, self.stall]
        if not (answered or any(ends) or self.delay):
            raise ValueError("fault requires at least one argument")
        if sum(ends) > 1:
            raise ValueError("fault may have only one of cut, drip, drop and stall")
        if answered and (self.stall or self.drop == "before"):
            raise ValueError("stall and drop='before' exclude errcode, status, headers and body")
        if self.errcode is not None and self.body is not None:
            raise ValueError("body and errcode exclude each other")
        if self.status in {204, 304} and (self.errcode is not None or self.body or any(ends[:2])):
            raise ValueError("status 204 and 304 exclude a body")
        if self.cut and self.replaces and self.errcode is None and not self.body:
            raise ValueError("cut requires a non-empty body")


class FaultPlan:
    """Which fault, if any, the next request to each path gets."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}

    def fail_next(self, path: str, *faults: Fault | None) -> None:
        """Queue faults, one for each of the next requests; None is a request without a fault."""
        if not all(fault is None or isinstance(fault, Fault) for fault in faults):
            raise TypeError("faults must be Fault or None")
        self._next[_path(path)].extend(faults)

    def fail_always(self, path: str, fault: Fault) -> None:
        """Set the fault of every request after those of `fail_next`."""
        if not isinstance(fault, Fault):
            raise TypeError("fault must be a Fault")
        self._always[_path(path)] = fault

    def clear(self, path: str) -> None:
        """Remove all faults of the path."""
        self._next.pop(_path(path), None)
        self._always.pop(path, None)

    def take(self, path: str) -> Fault | None:
        """Take the fault of a request that has arrived from the plan, and return it; None for no fault."""
        if self._next.get(path):
            return self._next[path].popleft()
        return self._always.get(path)


def _path(path: object) -> str:
    if isinstance(path, str) and path.startswith("/") and "?" not in path:
        return path
    raise ValueError(f"path must begin with a slash and have no query, not {path!r}")


def _is_header(item: tuple[object, object]) -> bool:
    name, value = item
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
        and name.lower() not in {"content-length", "transfer-encoding"}
        and value.isprintable()
    )
