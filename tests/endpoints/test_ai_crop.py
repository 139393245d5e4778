"""The ratios of a crop."""

from __future__ import annotations

from typing import Any

import pytest
from support import pictures
from support.servers import TOKEN

import wxcv


@pytest.mark.parametrize(
    ("ratios", "error", "told"),
    [
        ([1, 1, 1, 1, 1, 1], ValueError, "at most 5, not 6"),
        ([0], ValueError, "from 0.001 to 1000"),
        ([-1.5], ValueError, "from 0.001 to 1000"),
        ([float("nan")], ValueError, "from 0.001 to 1000"),
        ([float("inf")], ValueError, "from 0.001 to 1000"),
        ([10**400], ValueError, "from 0.001 to 1000"),
        (1.5, TypeError, "iterable of numbers, not float"),
        (["1"], TypeError, "must be numbers"),
        ([True], TypeError, "must be numbers"),
    ],
)
async def test_wrong_ratios_are_refused(ratios: Any, error: type[Exception], told: str) -> None:
    """More than five ratios, or one that is no number above 0, are refused before anything is sent."""
    credential = wxcv.StaticTokenCredential(TOKEN)
    async with wxcv.Session(credential, base_url="http://127.0.0.1:9") as session:
        with pytest.raises(error, match=told):
            await session.ai_crop(pictures.blank_png(), ratios)


async def test_a_wrong_kind_of_picture_is_refused() -> None:
    """The type of an ID card's picture is "photo" or "scan"."""
    credential = wxcv.StaticTokenCredential(TOKEN)
    async with wxcv.Session(credential, base_url="http://127.0.0.1:9") as session:
        with pytest.raises(ValueError, match='type must be "photo" or "scan"'):
            await session.idcard(pictures.blank_png(), "picture")  # type: ignore[arg-type] # on purpose
