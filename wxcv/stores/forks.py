"""Keeps a process from forking while one of its threads works on an SQLite file."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

# A fork waits until no transaction runs: in the child, locks inside SQLite would stay locked for ever. There
# is a lock for each thread, so that a locked file does not delay the threads of other files.
_registering = threading.Lock()
_working: WeakSet[threading.Lock] = WeakSet()
_held: list[threading.Lock] = []  # by the thread that forks


def make_fork_lock() -> threading.Lock:
    """Return a new lock, which a thread holds while it works on an SQLite file."""
    working = threading.Lock()
    with _registering:
        _working.add(working)
    return working


def _acquire_all() -> None:
    _registering.acquire()
    _held.extend(_working)
    for working in _held:
        working.acquire()


def _release_all() -> None:
    while _held:
        _held.pop().release()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all)
