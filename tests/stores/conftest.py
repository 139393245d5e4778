"""Every test of what all stores do runs on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.stores import SharedFile, SharedRedis, SharedStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import wxcv


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
