"""The settings of a Journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wxcv.clock import Clock


class Settings(NamedTuple):
    """The settings of a Journal; see there."""

    answers: bool
    checksum: bool
    max_age: float | None
    retry: frozenset[str]
    clock: Clock
