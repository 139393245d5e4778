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
        ([0], ValueError, "above 0"),
        ([-1.5], ValueError, "above 0"),
        ([float("nan")], ValueError, "above 0"),
        ([float("inf")], ValueError, "above 0"),
        (["1"], TypeError, "must be numbers"),
        ([True], TypeError, "must be numbers"),
    ],
)
async def test_wrong_ratios_are_refused(ratios: list[Any], error: type[Exception], told: str) -> None:
    """More than five ratios, or one that is no number above 0, are refused before anything is sent."""
    credential = wxcv.StaticTokenCredential(TOKEN)
    async with wxcv.Session(credential, base_url="http://127.0.0.1:9") as session:
        with pytest.raises(error, match=told):
            await session.ai_crop(pictures.blank_png(), ratios)
