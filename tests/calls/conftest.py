"""Fixtures of the tests of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.timeouts import one_second_ahead

from wxcv.calls.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports that use connections again at once, and are closed after the test."""
    transports: list[Transport] = []

    def make(base_url: str, *, attempt_timeout: float = 5.0, **options: object) -> Transport:
        options.setdefault("monotonic", one_second_ahead)
        transport = Transport(base_url, connections=2, attempt_timeout=attempt_timeout, **options)  # type: ignore[arg-type]
        transports.append(transport)
        return transport

    yield make
    for transport in transports:
        await transport.aclose()
