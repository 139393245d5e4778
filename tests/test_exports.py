"""The public surface is a list."""

from __future__ import annotations

import types
from importlib.metadata import metadata, requires, version

import pytest

import wxcv


def test_all_names_what_is_public_and_nothing_else() -> None:
    """``__all__`` is sorted and holds every public name that is no module."""
    public = {
        name
        for name in dir(wxcv)
        if not name.startswith("_") and not isinstance(getattr(wxcv, name), types.ModuleType)
    }

    assert set(wxcv.__all__) == public
    assert wxcv.__all__ == sorted(wxcv.__all__)


@pytest.mark.parametrize("name", [name for name in wxcv.__all__ if isinstance(getattr(wxcv, name), type)])
def test_every_public_class_is_documented(name: str) -> None:
    """Every public class says what it is."""
    assert (getattr(wxcv, name).__doc__ or "").strip()


def test_the_version_is_that_of_the_distribution() -> None:
    """``wxcv.__version__`` is the installed version, and other unknown names are AttributeErrors."""
    assert wxcv.__version__ == version("wxcv")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wxcv.nothing


def test_the_core_has_three_dependencies() -> None:
    """Without extras, wxcv needs aiohttp, attrs and cachetools and nothing else."""
    core = [line for line in requires("wxcv") or [] if "extra ==" not in line]

    assert core == ["aiohttp>=3.14.2", "attrs>=23.2", "cachetools>=8"]
    assert metadata("wxcv")["Requires-Python"] == ">=3.11"
