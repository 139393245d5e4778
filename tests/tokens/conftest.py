"""Fixtures of the tests of tokens."""

from __future__ import annotations

import pytest

import wxcv
from wxcv.tokens.manager import TokenManager


@pytest.fixture
def clock() -> wxcv.ManualClock:
    """A clock that stands still, long after the program began."""
    clock = wxcv.ManualClock()
    clock.advance(1_000_000)
    return clock


@pytest.fixture
def cache(clock: wxcv.ManualClock) -> TokenManager:
    """A cache on that clock."""
    return TokenManager(clock)
