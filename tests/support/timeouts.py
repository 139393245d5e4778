"""Lets timeouts end now, so that no test depends on how fast the machine is."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from support.tokens import turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import wxcv
    from wxcv.calls.transport import Transport

FOR_EVER = 60.0
"""Seconds: a timeout that ends only in a test that fails."""


def one_second_ahead() -> float:
    """Return the time on a monotonic clock at which connections that became idle now may be used again."""
    return time.monotonic() + 1


def end_attempts(transport: Transport) -> None:
    """Let every attempt that is under way reach its attempt_timeout."""
    transport._deadlines.expire_all()


def age_attempts(transport: Transport, seconds: float) -> None:
    """Let every attempt that is under way have begun that many seconds earlier."""
    for deadline in transport._deadlines.active:
        deadline.reschedule(deadline.when() - seconds)


def end_calls(session: wxcv.Session) -> None:
    """Let every call that is under way reach its call_timeout."""
    session._state.slots.deadlines.expire_all()


@asynccontextmanager
async def ending_attempts(session: wxcv.Session, arrived: Callable[[], int]) -> AsyncIterator[None]:
    """Within the block, let the attempts time out whenever one more request has arrived."""

    async def watch() -> None:
        seen = 0
        while True:
            await asyncio.sleep(0.001)
            if arrived() > seen:
                seen = arrived()
                await turn(20)  # for the peer to begin its answer, and for the sender to see it
                end_attempts(session._state.transport)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
