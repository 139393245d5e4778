"""When a token is renewed, and when it ends."""

from __future__ import annotations

import pytest

from wxcv.renewal import CachedToken


@pytest.mark.parametrize(
    ("life", "jitter", "renewed_after", "pause"),
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
def test_a_token_is_renewed_in_time(life: float, jitter: float, renewed_after: float, pause: float) -> None:
    """300 s before its end, half of a short life, less a jitter of at most a fifth of that."""
    held = CachedToken.of("T", "stable", life, (1000.0, 5000.0), jitter)

    assert held.renew_at == pytest.approx(1000 + renewed_after)
    assert (held.ends_at, held.ends_at_wall, held.pause) == (1000 + life, 5000 + life, pause)
