"""What every store does: its tokens, leases and answers; test_daily_limits.py has the limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import wxcv

if TYPE_CHECKING:
    from support.stores import SharedStore

NOW = 1_700_000_000.0
DAY = 86_400
TOKEN = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)


async def load(store: wxcv.TokenStore, key: str = "k") -> wxcv.StoredToken:
    """Return the token that must be there."""
    token = await store.load(key)
    assert token is not None
    return token


# --- tokens


async def test_a_token_is_stored_with_its_life(store: wxcv.Store) -> None:
    """A stored token is loaded with its generation, its end, and the life that the store counts by itself."""
    assert await store.load("k") is None
    assert await store.save("k", TOKEN)
    loaded = await load(store)

    assert (loaded.value, loaded.generation, loaded.ends_at) == ("MARKED-T1", 1, NOW + 100)
    assert 95 < loaded.left <= 100


async def test_a_token_grows_older(shared: SharedStore, store: wxcv.Store) -> None:
    """The life of a stored token passes, and it is kept for an hour after its end."""
    await store.save("k", TOKEN)
    await shared.advance(60)
    assert 35 < (await load(store)).left <= 40

    await shared.advance(3600)
    assert -3560 >= (await load(store)).left > -3565
    await shared.advance(50)
    assert await store.load("k") is None


async def test_the_end_of_a_token_is_kept_to_the_millisecond(store: wxcv.Store) -> None:
    """A token's end is not rounded to a second."""
    await store.save("k", wxcv.StoredToken("T", 1, NOW + 0.125, 100.0))

    assert (await load(store)).ends_at == NOW + 0.125


async def test_an_older_generation_is_refused(store: wxcv.Store) -> None:
    """A token of the same or an older generation does not replace the stored one."""
    assert await store.save("k", wxcv.StoredToken("T5", 5, NOW, 10.0))

    for generation in (5, 4, 1):
        assert not await store.save("k", wxcv.StoredToken("late", generation, NOW, 10.0))
    assert (await load(store)).value == "T5"


async def test_a_forgotten_generation_holds_nobody_up(shared: SharedStore, store: wxcv.Store) -> None:
    """An hour after the end of a token, one of any generation is stored."""
    await store.save("k", wxcv.StoredToken("T5", 5, NOW, 10.0))
    await shared.advance(3611)

    assert await store.save("k", TOKEN)


async def test_only_the_very_token_is_invalidated(store: wxcv.Store) -> None:
    """A refused token ends at once and keeps its generation; another token is left alone."""
    await store.save("k", TOKEN)
    await store.invalidate("k", "another")
    assert (await load(store)).ends_at == NOW + 100

    await store.invalidate("k", "MARKED-T1")
    loaded = await load(store)
    assert (loaded.ends_at, loaded.generation) == (0.0, 1)
    assert 95 < loaded.left <= 100


async def test_stores_share_and_keys_do_not(shared: SharedStore) -> None:
    """What one store keeps is known to another, under its own key alone."""
    one, other = shared.open(), shared.open()
    await one.save("a", TOKEN)
    await one.save_refresh_token("a", "R1")
    await one.save_refresh_token("a", "R2")
    await one.take("a", 5)
    await one.keep_answer("a", "{}", 60)

    assert (await load(other, "a")).value == TOKEN.value
    assert await other.load_refresh_token("a") == "R2"
    assert await other.find_answer("a") == "{}"
    assert (await other.load_usage("a")).count == 1
    assert await other.load("b") is None
    assert await other.load_refresh_token("b") is None
    assert await other.find_answer("b") is None
    assert (await other.load_usage("b")).count == 0


async def test_a_refresh_token_is_kept_for_ever(shared: SharedStore, store: wxcv.Store) -> None:
    """After a year, the newest refresh token is still there."""
    await store.save_refresh_token("k", "R")
    await shared.advance(366 * DAY)

    assert await store.load_refresh_token("k") == "R"


# --- leases


async def test_a_lease_has_one_owner_and_an_end(shared: SharedStore, store: wxcv.Store) -> None:
    """A lease is had by one owner until it is given back by that owner, or ends."""
    assert await store.acquire("k", "a")
    assert await store.acquire("k", "a")  # as if the first answer was lost
    assert not await store.acquire("k", "b")
    await store.release("k", "b")
    assert not await store.acquire("k", "b")
    await store.release("k", "a")
    store.lease = 60.0
    assert await store.acquire("k", "b")

    await shared.advance(30)
    assert not await store.acquire("k", "c")
    await shared.advance(30)
    assert await store.acquire("k", "c")
    await store.release("k", "b")
    assert not await store.acquire("k", "d")


async def test_only_the_leases_owner_may_store(shared: SharedStore, store: wxcv.Store) -> None:
    """A token is not stored for an owner whose lease has passed to another, or has ended."""
    await store.acquire("k", "new owner")
    assert not await store.save("k", TOKEN, "old owner")
    assert await store.save("k", TOKEN, "new owner")

    await shared.advance(store.lease + 1)
    assert not await store.save("k", wxcv.StoredToken("T2", 2, NOW, 100.0), "new owner")


# --- forced refreshes


async def test_forced_refreshes_are_counted_for_all(shared: SharedStore) -> None:
    """All processes together force at most once in 30 s and ten times a day."""
    stores = [shared.open(), shared.open()]
    assert await stores[0].count_forced_refresh("k", NOW)
    assert not await stores[1].count_forced_refresh("k", NOW + 29)
    assert await stores[1].count_forced_refresh("k", NOW + 30)
    allowed = [await stores[n % 2].count_forced_refresh("k", NOW + 60 + 30 * n) for n in range(20)]

    assert allowed == [True] * 8 + [False] * 12
    assert await stores[0].count_forced_refresh("k", NOW + DAY)


async def test_a_clock_that_was_set_back_does_not_forbid_forced_refreshes(store: wxcv.Store) -> None:
    """If the last forced refresh is in the future, by a clock that was wrong, another is allowed."""
    assert await store.count_forced_refresh("k", NOW + 3600)

    assert await store.count_forced_refresh("k", NOW)


# --- answers


async def test_an_answer_is_kept_for_its_time(shared: SharedStore, store: wxcv.Store) -> None:
    """An answer is found until its time is over; a later one takes its place."""
    assert await store.find_answer("k") is None
    await store.keep_answer("k", '{"a": 1}', 60)
    await store.keep_answer("k", '{"名": "微信"}', 120)
    await shared.advance(110)
    assert await store.find_answer("k") == '{"名": "微信"}'

    await shared.advance(10)
    assert await store.find_answer("k") is None


@pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 + 1])
async def test_an_answer_has_at_most_a_mebibyte(store: wxcv.Store, size: int) -> None:
    """An answer of 1 MiB is kept, and a longer one is not."""
    await store.keep_answer("k", "x" * size, 60)

    assert (await store.find_answer("k") is None) == (size > 1024 * 1024)


async def test_an_answer_that_cannot_be_encoded_is_not_kept(store: wxcv.Store) -> None:
    """A text with half a character is not kept, and neither is one whose UTF-8 is over 1 MiB."""
    await store.keep_answer("k", '"\ud800"', 60)
    await store.keep_answer("k", "é" * 600_000, 60)

    assert await store.find_answer("k") is None


# --- concurrency


async def test_a_cancelled_operation_does_not_mix_answers(store: wxcv.Store) -> None:
    """After a thousand operations cancelled at any moment, every answer belongs to its own key."""
    for number in range(3):
        await store.save(f"k{number}", wxcv.StoredToken(f"T{number}", 1, NOW, 100.0))
    for number in range(1000):
        task = asyncio.create_task(store.load("k1"))
        for _ in range(number % 8):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await load(store, f"k{number % 3}")).value == f"T{number % 3}"
