"""The folder in which the command line keeps what lasts from one run to the next."""

from __future__ import annotations

import os
from pathlib import Path

_STORE = "store.sqlite"


def make_state_folder() -> Path:
    """Return the user's state folder of wxcv, made with mode 0700 if it is missing.

    It is in ``$XDG_STATE_HOME``, or else ``~/.local/state``; on Windows in ``%LOCALAPPDATA%``.

    Raises:
        OSError: it cannot be made.
        RuntimeError: the home folder is unknown.
    """
    folder = _find_base() / "wxcv"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def make_own_store() -> Path:
    """Return the path of the store in the state folder, which is made if it is missing.

    Raises:
        OSError: the folder cannot be made.
        RuntimeError: the home folder is unknown.
    """
    return make_state_folder() / _STORE


def find_own_store() -> Path | None:
    """Return the path of the store in the state folder, or None if there is none."""
    try:
        path = _find_base() / "wxcv" / _STORE
        return path if path.is_file() else None
    except (OSError, RuntimeError):
        return None


def _find_base() -> Path:
    if os.name == "nt":  # pragma: no cover - Windows
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    given = Path(os.environ.get("XDG_STATE_HOME", ""))  # a relative one has no meaning, by its specification
    return given if given.is_absolute() else Path.home() / ".local" / "state"
