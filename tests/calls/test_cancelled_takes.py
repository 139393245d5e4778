"""What is taken from a daily limit for a call that is cancelled meanwhile is given back, if it was taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 1})


class Held(wxcv.SQLiteStore):
    """A store whose takes end when they may.

    Args:
        is_failing: whether they fail.
    """

    def __init__(self, path: Path, *, is_failing: bool) -> None:
        super().__init__(path)
        self.is_failing = is_failing
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def take(self, key: str, limit: int, **options: Any) -> wxcv.Taken:
        """Take, when it may."""
        self.asked.set()
        await self.go.wait()
        if self.is_failing:
            raise wxcv.StoreError("the store is gone")
        return await super().take(key, limit, **options)


async def _ok(request: web.Request) -> web.StreamResponse:
    await request.read()
    return answer(errcode=0, items=[])


@pytest.mark.parametrize(("used", "is_failing"), [(0, False), (1, False), (0, True)])
async def test_a_cancelled_take_leaves_the_count_as_it_was(
    tmp_path: Path, used: int, *, is_failing: bool
) -> None:
    """Whether the take succeeds, is refused or fails after the cancellation, the count stays."""
    async with (
        api_server(_ok) as url,
        Held(tmp_path / "s.db", is_failing=is_failing) as store,
        wxcv.Session(APP, base_url=url, store=store, daily_limits=LIMITS) as session,
    ):
        if used:
            await wxcv.SQLiteStore.take(store, f"wx1:{wxcv.PRINTED_TEXT.path}", 1)
        call = asyncio.create_task(session.printed_text(BLANK))
        await store.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        store.go.set()
        await session.aclose()

        assert (await store.load_usage(f"wx1:{wxcv.PRINTED_TEXT.path}")).count == used


async def test_closing_does_not_wait_for_a_store_that_hangs(tmp_path: Path) -> None:
    """What a store of the caller's does not end in time is cancelled, and no task of it is left."""
    async with (
        Held(tmp_path / "s.db", is_failing=False) as store,
        wxcv.Session(APP, base_url="http://127.0.0.1:9", store=store, daily_limits=LIMITS) as session,
    ):
        limiter = session._state.limiter
        assert limiter is not None
        taking = asyncio.create_task(limiter.reserve("wx1", wxcv.PRINTED_TEXT))
        await store.asked.wait()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await limiter.wait_closed(0.0)

        assert "wxcv daily limit" not in {task.get_name() for task in asyncio.all_tasks()}
