"""Every test of what all stores do runs on each of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.stores import SharedFile, SharedRedis, SharedStore

from wxcv.clock import end_of_day

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import wxcv


@pytest.fixture(autouse=True)
def _no_midnight() -> None:
    """Begin no test in the last minute of WeChat's day: Redis and workers have the system's clock."""
    now = time.time()
    if end_of_day(now) - now < 60:
        pytest.skip("WeChat's day is about to end, and with it what is counted")


@pytest.fixture(params=["redis-bytes", "redis-str", "sqlite"])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SharedStore]:
    """What the stores of a test share: a Redis whose client gives bytes, or strings, or a file."""
    is_file = request.param == "sqlite"
    found = SharedFile(tmp_path) if is_file else SharedRedis(decode_responses=request.param == "redis-str")
    await found.start()
    yield found
    await found.aclose()


@pytest.fixture
def store(shared: SharedStore) -> wxcv.Store:
    """A store."""
    return shared.open()
