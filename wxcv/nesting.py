"""Which pieces of work the running code is part of, also in tasks that the work has started.

A caller's function may close the very session that called it, and may do so from a task of its own. Closing
must neither wait for that function nor end it.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar, Token

_WORK: ContextVar[frozenset[object]] = ContextVar("wxcv_work", default=frozenset())


def enter(work: object) -> Token[frozenset[object]]:
    """Let the code that follows, in this task and those that it starts, be part of the work."""
    return _WORK.set(_WORK.get() | {work})


def start(work: object) -> None:
    """Let the code that follows be part of the work only, although other work began it."""
    _WORK.set(frozenset({work}))


def leave(token: Token[frozenset[object]]) -> None:
    """Undo ``enter``."""
    with contextlib.suppress(ValueError):  # a coroutine that was dropped ends in another context
        _WORK.reset(token)


def is_inside(work: object) -> bool:
    """Return whether the running code is part of the work."""
    return work in _WORK.get()
