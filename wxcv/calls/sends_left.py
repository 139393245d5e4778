"""SendsLeft: how many sends the daily limits of a session leave, by what it was last told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wxcv.stores.base import Taken


class _Left(NamedTuple):
    key: str
    sends: int
    resets_at: float


class SendsLeft:
    """The sends that are left of each endpoint's daily limit.

    Of each endpoint it remembers one account, the one with the fewest sends left, so that its size does not
    depend on the number of accounts. A key is that of a CounterStore, of one account at one endpoint.
    """

    def __init__(self) -> None:
        self._by_path: dict[str, _Left] = {}

    def record(self, path: str, key: str, taken: Taken, limit: int) -> None:
        """Record what a store answered when a send was to be taken."""
        is_spent = taken.number is None or taken.is_probe
        left = _Left(key, 0 if is_spent else max(limit - taken.number, 0), taken.resets_at)  # type: ignore[operator] # as checked
        known = self._by_path.get(path, left)
        if left.sends <= known.sends or known.key == key or known.resets_at < taken.resets_at:
            self._by_path[path] = left

    def give_back(self, key: str) -> None:
        """Record that a send did not take place."""
        for path, left in self._by_path.items():
            if left.key == key:
                self._by_path[path] = left._replace(sends=left.sends + 1)

    def record_spent(self, key: str) -> None:
        """Record that WeChat's quota is used up."""
        for path, left in self._by_path.items():
            if left.key == key:
                self._by_path[path] = left._replace(sends=0)

    def forget(self, key: str) -> None:
        """Forget what is left, so that the next send tells it anew."""
        self._by_path = {path: left for path, left in self._by_path.items() if left.key != key}

    def at(self, wall: float) -> dict[str, int]:
        """Return the sends left by path, at this Unix time; without those of days that have ended."""
        return {path: left.sends for path, left in list(self._by_path.items()) if wall < left.resets_at}
