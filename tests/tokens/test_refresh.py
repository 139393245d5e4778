"""When a token is refreshed, and when it ends."""

from __future__ import annotations

import pytest

import wxcv
from wxcv.tokens.manager import TokenManager
from wxcv.tokens.refresh import CachedToken


@pytest.mark.parametrize(
    ("life", "jitter", "refreshed_after", "pause"),
    [
        (7200.0, 10.0, 7200 - 290.0, 30.0),
        (7200.0, 60.0, 7200 - 240.0, 30.0),
        (600.0, 60.0, 600 - 240.0, 30.0),
        (345.0, 10.0, 345 - 162.5, 30.0),
        (345.0, 60.0, 345 - 138.0, 30.0),
        (100.0, 60.0, 60.0, 25.0),
        (20.0, 10.0, 12.0, 5.0),
    ],
)
def test_a_token_is_refreshed_in_time(
    life: float, jitter: float, refreshed_after: float, pause: float
) -> None:
    """300 s before its end, half of a short life, less a jitter of at most a fifth of that."""
    held = CachedToken.of("T", "stable", life, (1000.0, 5000.0), jitter)

    assert held.refresh_at == pytest.approx(1000 + refreshed_after)
    assert (held.ends_at, held.ends_at_wall, held.pause) == (1000 + life, 5000 + life, pause)


def test_forced_refreshes_are_half_a_minute_apart_and_ten_a_day() -> None:
    """Within 30 s of a forced refresh, or after ten within a day, no other one is allowed."""
    clock = wxcv.ManualClock()
    clock.advance(1000.0)
    memory = TokenManager(clock)._refresh_state

    allowed = [memory.claim_forced_refresh("key")]
    for pause in (29.9, *[30.0] * 10, 86_400.0 - 29.9 - 300.0):
        clock.advance(pause)
        allowed.append(memory.claim_forced_refresh("key"))

    assert allowed == [True, False, *[True] * 9, False, True]
