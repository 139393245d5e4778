"""Files that cannot be read are refused for the true reason."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import wxcv
from wxcv.images.files import read_path

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_that_may_not_be_listed_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without permission is refused for its permission, not for being a folder."""
    private = tmp_path / "private"
    private.mkdir(mode=0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    user = os.geteuid()
    os.seteuid(user or 65_534)  # root may list every folder
    try:
        with pytest.raises(wxcv.UnreadableImageError, match=r"^private: .*Permission denied.*permissions"):
            read_path("private", 1000)
    finally:
        os.seteuid(user)
