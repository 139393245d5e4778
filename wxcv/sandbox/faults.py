"""What can go wrong with an answer, and the plan by which it does."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wxcv.sandbox.checks import flag, seconds, whole
from wxcv.sandbox.wechat.answers import Refusal
from wxcv.sandbox.wechat.errmsgs import ERRMSG


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way for a request to go wrong.

    `errcode`, `status` and `body` put another answer in the place of the page's own. All else is done to
    that answer, or to the page's own where none of the three is given.

    Args:
        errcode: WeChat's refusal with this code.
        errmsg: its text, which a rid is added to; None means WeChat's own, and "errcode N" for a code that
            the sandbox does not know.
        status: the HTTP status. Without `errcode` and `body` the body is empty.
        headers: of the answer, beside or instead of its own: `{"Location": url}` with a status of 307 is a
            redirect, `{"Content-Type": "text/html"}` with a body a captive portal. Without `errcode` a body
            or a status has no header of a relay, so that it looks like what never reached WeChat.
        body: the bytes of the body, whatever they are.
        delay: real seconds before anything else is done.
        drop: reset the connection without an answer, "before" the body of the request is read, or "after" the
            page has done its work: a token was made, a refresh token rotated, quota spent.
        cut: end the connection in the middle of the body, whose whole length was told.
        drip: send the body a byte at a time with so many real seconds after each, and white space for ever.
        stall: never read the body of the request and never answer, until the sandbox closes. The sender's own
            buffer still fills: a whole upload fits in, unless the sender made its SO_SNDBUF small.

    Raises:
        TypeError, ValueError: an argument cannot be used, or not with another; the message names it.

    The ways in which the relay of cloud hosting fails are `Fault(errcode=41001)` (it is off),
    `Fault(errcode=85107)` (the path is not on its list), `Fault(errcode=85113)` (it is not ready), a status
    of 502 with a JSON body that has `error_code` and no `errcode`, and `Fault(status=404)` (it is not there).
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
        """Whether another answer takes the place of the page's own."""
        return (self.errcode, self.status, self.body) != (None, None, None)

    @property
    def refusal(self) -> Refusal | None:
        """The refusal that is the answer, if one is."""
        if self.errcode is None:
            return None
        return Refusal(self.errcode, self.errmsg or ERRMSG.get(self.errcode, f"errcode {self.errcode}"))

    def _check_answer(self) -> None:
        if self.errcode is not None:
            whole("errcode", self.errcode, least=-(2**31), most=2**31)
        if self.errmsg is not None and not isinstance(self.errmsg, str):
            raise ValueError(f"errmsg must be text, not {self.errmsg!r}")
        if self.status is not None:
            whole("status", self.status, least=200, most=599)
        if self.body is not None and not isinstance(self.body, bytes):
            raise ValueError(f"body must be bytes, not {self.body!r}")
        if not isinstance(self.headers, Mapping) or not all(map(_is_header, self.headers.items())):
            raise ValueError("headers must map names to lines of text, and not tell how long the body is")

    def _check_delivery(self) -> None:
        seconds("delay", self.delay)
        if self.drip is not None:
            seconds("drip", self.drip)
        if self.drop not in {None, "before", "after"}:
            raise ValueError(f"drop must be 'before', 'after' or None, not {self.drop!r}")
        flag("cut", self.cut)
        flag("stall", self.stall)

    def _check_together(self) -> None:
        if self.errmsg is not None and self.errcode is None:
            raise ValueError("errmsg must be with an errcode")
        answered = self.replaces or bool(self.headers)
        ends = [self.cut, self.drip is not None, self.drop is not None, self.stall]
        if not (answered or any(ends) or self.delay):
            raise ValueError("fault must have something that goes wrong")
        if sum(ends) > 1:
            raise ValueError("fault must have one of cut, drip, drop and stall only")
        if answered and (self.stall or self.drop == "before"):
            raise ValueError("stall and drop='before' must be without an answer")
        if self.errcode is not None and self.body is not None:
            raise ValueError("body must be without an errcode")
        if self.status in {204, 304} and (self.errcode is not None or self.body or any(ends[:2])):
            raise ValueError("status 204 and 304 must be without a body")
        if self.cut and self.replaces and self.errcode is None and not self.body:
            raise ValueError("cut must be with a body that is not empty")


class FaultPlan:
    """Which fault, if any, is the next for each path."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}

    def fail_next(self, path: str, *faults: Fault | None) -> None:
        """Add faults to those that the next requests get in turn; None is a request that gets none."""
        if not all(fault is None or isinstance(fault, Fault) for fault in faults):
            raise TypeError("faults must be Fault or None")
        self._next[_path(path)].extend(faults)

    def fail_always(self, path: str, fault: Fault) -> None:
        """Set the fault of every request beyond those of `fail_next`."""
        if not isinstance(fault, Fault):
            raise TypeError("fault must be a Fault")
        self._always[_path(path)] = fault

    def clear(self, path: str) -> None:
        """Forget all faults of the path."""
        self._next.pop(_path(path), None)
        self._always.pop(path, None)

    def take(self, path: str) -> Fault | None:
        """Return the fault of a request that has arrived."""
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
