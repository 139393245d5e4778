"""Fixtures of the journal's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no journal yet."""
    return tmp_path / "run.sqlite"
