"""What a call took from a daily limit when it was cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.pictures import BLANK

import wxcv
from wxcv.calls.limits import DailyLimiter

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = wxcv.StaticTokenCredential("T", account="wx1")
LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3})


class Gated(wxcv.SQLiteStore):
    """A store that has taken a call long before it says so, and takes its time to give it back."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.taken, self.go = asyncio.Event(), asyncio.Event()
        self.events: list[str] = []

    async def take(self, key: str, limit: int, **options: Any) -> wxcv.Taken:
        """Take, and say so when told to."""
        taken = await super().take(key, limit, **options)
        self.taken.set()
        await self.go.wait()
        return taken

    async def give_back(self, key: str, taken: wxcv.Taken) -> None:
        """Give back, after everything else that is ready to run."""
        for _ in range(100):
            await asyncio.sleep(0)
        await super().give_back(key, taken)
        self.events.append("given back")


async def test_what_a_cancelled_call_took_is_given_back(tmp_path: Path) -> None:
    """A call that is cancelled while it takes a send ends at once; closing waits until it is given back."""
    async with Gated(tmp_path / "store.db") as store:
        async with wxcv.Session(ACCOUNT, store=store, daily_limits=LIMITS) as session:
            calling = asyncio.create_task(session.printed_text(BLANK))
            await store.taken.wait()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            assert (await session.usage(wxcv.PRINTED_TEXT)).count == 1
            store.go.set()
        store.events.append("closed")
        usage = await store.load_usage(f"wx1:{wxcv.PRINTED_TEXT.path}")

    assert (usage.count, store.events) == (0, ["given back", "closed"])


async def test_a_give_back_is_not_cancelled_with_its_call(tmp_path: Path) -> None:
    """A call that is cancelled while its unsent send is given back leaves nothing counted."""
    async with Gated(tmp_path / "store.db") as store:
        store.go.set()
        limiter = DailyLimiter(LIMITS, store, wxcv.ManualClock())
        reservation = await limiter.reserve("wx1", wxcv.PRINTED_TEXT)
        giving_back = asyncio.create_task(limiter.give_back(reservation))
        await asyncio.sleep(0)
        giving_back.cancel()
        await asyncio.wait({giving_back})
        await limiter.wait_closed()

        assert (await limiter.load_usage("wx1", wxcv.PRINTED_TEXT)).count == 0


async def test_a_store_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """What a store does not end for a cancelled call is cancelled when the session is closed."""
    async with Gated(tmp_path / "store.db") as store:
        limiter = DailyLimiter(LIMITS, store, wxcv.ManualClock())
        reserving = asyncio.create_task(limiter.reserve("wx1", wxcv.PRINTED_TEXT))
        await store.taken.wait()
        reserving.cancel()
        await asyncio.wait({reserving})
        await limiter.wait_closed(0)

        assert asyncio.all_tasks() == {asyncio.current_task()}
