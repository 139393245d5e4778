"""The transactions of SQLiteStore: functions of a connection, the time, and the store's method's arguments.

They do in SQL what scripts.py does in Redis. ``now`` is Unix time, read after the database was locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.stores.base import FORCED_PAUSE, FORCED_PER_DAY, TOKEN_SLACK, StoredToken
from wxcv.stores.daily_count import COUNT_LIFE, DailyCount

if TYPE_CHECKING:
    from sqlite3 import Connection

    from wxcv.stores.base import Taken, Usage

TABLES = (
    """CREATE TABLE tokens (key TEXT PRIMARY KEY, value TEXT NOT NULL, generation INTEGER NOT NULL,
        ends_at REAL NOT NULL, saved_at REAL NOT NULL, life REAL NOT NULL)""",
    """CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, begins_at REAL NOT NULL,
        ends_at REAL NOT NULL)""",
    """CREATE TABLE forced_refreshes (key TEXT PRIMARY KEY, day INTEGER NOT NULL, count INTEGER NOT NULL,
        at INTEGER NOT NULL)""",
    "CREATE TABLE refresh_tokens (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE quotas (key TEXT PRIMARY KEY, count INTEGER NOT NULL, resets_at REAL NOT NULL,
        is_spent INTEGER NOT NULL, probed_at REAL, changed_at REAL NOT NULL)""",
    "CREATE TABLE given_back (id TEXT PRIMARY KEY, ends_at REAL NOT NULL)",
    "CREATE INDEX given_back_by_end ON given_back (ends_at)",
    "CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, ends_at REAL NOT NULL)",
    "CREATE INDEX answers_by_end ON answers (ends_at)",
)

_DAY = 86_400


def load(db: Connection, now: float, key: str) -> StoredToken | None:
    """See ``TokenStore.load``."""
    query = "SELECT value, generation, ends_at, saved_at, life FROM tokens WHERE key = ?"
    found = db.execute(query, (key,)).fetchone()
    if found is None:
        return None
    value, generation, ends_at, saved_at, life = found
    # If the clock was set back, nobody knows for how long the token has been here.
    left = saved_at + life - now if now >= saved_at else 0.0
    return StoredToken(value, generation, ends_at, left) if left > -TOKEN_SLACK else None


def save(db: Connection, now: float, key: str, token: StoredToken, owner: str) -> bool:
    """See ``TokenStore.save``."""
    stored = load(db, now, key)
    if stored is not None and stored.generation >= token.generation:
        return False
    if owner and _lease_owner(db, now, key) != owner:
        return False
    row = (key, token.value, token.generation, token.ends_at, now, token.left)
    db.execute("REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?)", row)
    db.execute("DELETE FROM tokens WHERE saved_at + life <= ?", (now - TOKEN_SLACK,))
    return True


def invalidate(db: Connection, _now: float, key: str, value: str) -> None:
    """See ``TokenStore.invalidate``."""
    db.execute("UPDATE tokens SET ends_at = 0 WHERE key = ? AND value = ?", (key, value))


def _lease_owner(db: Connection, now: float, key: str) -> str | None:
    query = "SELECT owner FROM leases WHERE key = ? AND begins_at <= ? AND ends_at > ?"
    found = db.execute(query, (key, now, now)).fetchone()
    return found[0] if found else None


def acquire(db: Connection, now: float, key: str, owner: str, seconds: float) -> bool:
    """See ``TokenStore.acquire``."""
    if _lease_owner(db, now, key) not in {None, owner}:
        return False
    db.execute("REPLACE INTO leases VALUES (?, ?, ?, ?)", (key, owner, now, now + seconds))
    return True


def release(db: Connection, _now: float, key: str, owner: str) -> None:
    """See ``TokenStore.release``."""
    db.execute("DELETE FROM leases WHERE key = ? AND owner = ?", (key, owner))


def count_forced_refresh(db: Connection, _now: float, key: str, at: int) -> bool:
    """See ``TokenStore.count_forced_refresh``."""
    found = db.execute("SELECT day, count, at FROM forced_refreshes WHERE key = ?", (key,)).fetchone()
    day, count, last = found or (None, 0, None)
    today = at // _DAY
    if day != today:
        count = 0
    if (last is not None and 0 <= at - last < FORCED_PAUSE) or count >= FORCED_PER_DAY:
        return False
    db.execute("REPLACE INTO forced_refreshes VALUES (?, ?, ?, ?)", (key, today, count + 1, at))
    return True


def load_refresh_token(db: Connection, _now: float, key: str) -> str | None:
    """See ``TokenStore.load_refresh_token``."""
    found = db.execute("SELECT value FROM refresh_tokens WHERE key = ?", (key,)).fetchone()
    return found[0] if found else None


def save_refresh_token(db: Connection, _now: float, key: str, refresh_token: str) -> None:
    """See ``TokenStore.save_refresh_token``."""
    db.execute("REPLACE INTO refresh_tokens VALUES (?, ?)", (key, refresh_token))


def _load_count(db: Connection, now: float, key: str) -> DailyCount:
    query = "SELECT count, resets_at, is_spent, probed_at FROM quotas WHERE key = ? AND changed_at > ?"
    found = db.execute(query, (key, now - COUNT_LIFE)).fetchone()
    return DailyCount(*found) if found else DailyCount()


def _keep_count(db: Connection, now: float, key: str, count: DailyCount) -> None:
    db.execute("REPLACE INTO quotas VALUES (?, ?, ?, ?, ?, ?)", (key, *count, now))


def take(  # noqa: PLR0913, PLR0917 - all that the method gets
    db: Connection, now: float, key: str, limit: int, reset_hour: int, probe_every: float
) -> Taken:
    """See ``CounterStore.take``."""
    count, taken = _load_count(db, now, key).take(now, limit, reset_hour, probe_every)
    if taken.refused_by is None:
        _keep_count(db, now, key, count)
    return taken


def give_back(db: Connection, now: float, key: str, taken: Taken) -> None:
    """See ``CounterStore.give_back``."""
    db.execute("DELETE FROM given_back WHERE ends_at <= ?", (now,))
    row = (taken.id, taken.resets_at)
    if db.execute("INSERT OR IGNORE INTO given_back VALUES (?, ?)", row).rowcount:
        _keep_count(db, now, key, _load_count(db, now, key).give_back(now, taken))


def mark_day_spent(db: Connection, now: float, key: str, resets_at: float) -> None:
    """See ``CounterStore.mark_day_spent``."""
    if now < resets_at:
        _keep_count(db, now, key, _load_count(db, now, key).mark_day_spent(now, resets_at))


def mark_market_spent(db: Connection, now: float, key: str) -> None:
    """See ``CounterStore.mark_market_spent``."""
    _keep_count(db, now, key, _load_count(db, now, key).mark_market_spent(now))


def release_probe(db: Connection, now: float, key: str, taken: Taken) -> None:
    """See ``CounterStore.release_probe``."""
    _keep_count(db, now, key, _load_count(db, now, key).release_probe(taken))


def clear_marks(db: Connection, now: float, key: str) -> None:
    """See ``CounterStore.clear_marks``."""
    _keep_count(db, now, key, _load_count(db, now, key).clear_marks())


def load_usage(db: Connection, now: float, key: str, reset_hour: int) -> Usage:
    """See ``CounterStore.load_usage``."""
    return _load_count(db, now, key).usage(now, reset_hour)


def find_answer(db: Connection, now: float, key: str) -> str | None:
    """See ``AnswerStore.find_answer``."""
    found = db.execute("SELECT answer FROM answers WHERE key = ? AND ends_at > ?", (key, now)).fetchone()
    return found[0] if found else None


def keep_answer(db: Connection, now: float, key: str, answer: str, ttl: float) -> None:
    """See ``AnswerStore.keep_answer``."""
    db.execute("DELETE FROM answers WHERE ends_at <= ?", (now,))
    db.execute("REPLACE INTO answers VALUES (?, ?, ?)", (key, answer, now + ttl))
