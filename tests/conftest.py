"""Fixtures shared by all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx

import wxcv
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Let a blocking call of ours inside the event loop fail the test."""
    with blockbuster_ctx(scanned_modules=["wxcv"]) as blockbuster:
        # A fork waits for the transactions that run: it happens in the event loop, if at all.
        locking = blockbuster.functions["threading.Lock.acquire"]
        locking.can_block_in("wxcv/stores/forks.py", {"_acquire_all"})
        yield


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox on a free port."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def credential(box: Sandbox) -> wxcv.AppCredential:
    """The sandbox's account."""
    return wxcv.AppCredential(box.appid, box.secret)


@pytest.fixture
async def session(box: Sandbox, credential: wxcv.AppCredential) -> AsyncIterator[wxcv.Session]:
    """A session of the sandbox's account."""
    async with wxcv.Session(credential, base_url=box.base_url) as opened:
        yield opened
