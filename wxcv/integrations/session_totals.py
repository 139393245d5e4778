"""SessionTotals: the statistics of any number of sessions, for integrations that collect metrics."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Self

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_NOTHING = wxcv.SessionStats(running=0, waiting=0, calls=0, sends=0, retries=0, refreshes=0, bytes_sent=0)


def _add(one: wxcv.SessionStats, other: wxcv.SessionStats) -> wxcv.SessionStats:
    return wxcv.SessionStats(
        running=one.running + other.running,
        waiting=one.waiting + other.waiting,
        calls=one.calls + other.calls,
        sends=one.sends + other.sends,
        retries=one.retries + other.retries,
        refreshes=one.refreshes + other.refreshes,
        bytes_sent=one.bytes_sent + other.bytes_sent,
        sends_by_endpoint=Counter(one.sends_by_endpoint) + Counter(other.sends_by_endpoint),
        sends_left_by_endpoint=_find_fewest(one.sends_left_by_endpoint, other.sends_left_by_endpoint),
    )


def _find_fewest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    fewest = dict(one)
    for path, left in other.items():
        fewest[path] = min(left, fewest.get(path, left))
    return fewest


def _end(stats: wxcv.SessionStats) -> wxcv.SessionStats:
    """Return what a session has done, without what it is doing and what it has left."""
    return wxcv.SessionStats(
        running=0,
        waiting=0,
        calls=stats.calls,
        sends=stats.sends,
        retries=stats.retries,
        refreshes=stats.refreshes,
        bytes_sent=stats.bytes_sent,
        sends_by_endpoint=stats.sends_by_endpoint,
    )


class Watch:
    """A session that is watched until ``close`` is called, or its ``with`` block is left."""

    def __init__(self, end: Callable[[Watch], None]) -> None:
        self._end = end

    def close(self) -> None:
        """Let go of the session; what it has done stays in the totals. It may be called again."""
        self._end(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SessionTotals:
    """The statistics of any number of sessions, added up by a name; safe to read in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._watched: dict[Watch, tuple[wxcv.Session, str]] = {}
        self._ended: dict[str, wxcv.SessionStats] = {}

    def watch(self, session: wxcv.Session, name: str) -> Watch:
        """Add the statistics of a session, all since it was constructed, to those of that name.

        Raises:
            TypeError: it is not a session, or the name is not a str.
            ValueError: the session is being watched already.
        """
        if not isinstance(session, wxcv.Session):
            raise TypeError(f"session must be a wxcv.Session, not {type(session).__name__}")
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {type(name).__name__}")
        watch = Watch(self._close)
        with self._lock:
            if any(session is other for other, _ in self._watched.values()):
                raise ValueError("the session is being watched already; close its first Watch before")
            self._watched[watch] = (session, name)
        return watch

    def _close(self, watch: Watch) -> None:
        with self._lock:
            session, name = self._watched.pop(watch, (None, ""))
            if session is not None:
                self._ended[name] = _add(self._ended.get(name, _NOTHING), _end(session.stats()))

    def collect(self) -> dict[str, wxcv.SessionStats]:
        """Return the sums by name. What was done never decreases, also when sessions are closed."""
        with self._lock:
            totals = dict(self._ended)
            for session, name in self._watched.values():
                totals[name] = _add(totals.get(name, _NOTHING), session.stats())
        return totals
