"""Which pieces of work the running code is part of, also in tasks that the work has started.

A caller's function may close the very session that called it, and may do so from a task of its own. Closing
must neither wait for that function nor end it.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

Work = tuple[object, Any] | None
"""A piece of work and the Work around it; a chain of pairs is made faster than a set."""

_WORK: ContextVar[Work] = ContextVar("wxcv_work", default=None)


def enter(work: object) -> Token[Work]:
    """Let the code that follows, in this task and those that it starts, be part of the work."""
    return _WORK.set((work, _WORK.get()))


def start(work: object) -> None:
    """Let the code that follows be part of the work only, although other work began it."""
    _WORK.set((work, None))


def leave(token: Token[Work]) -> None:
    """Undo ``enter``."""
    try:  # noqa: SIM105 - contextlib.suppress costs every call three function calls
        _WORK.reset(token)
    except ValueError:  # a coroutine that was dropped ends in another context
        pass


def is_inside(work: object) -> bool:
    """Return whether the running code is part of the work."""
    around = _WORK.get()
    while around is not None:
        if around[0] is work:
            return True
        around = around[1]
    return False
