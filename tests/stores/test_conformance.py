"""What every store does: its tokens, leases, limits and answers."""

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


# --- daily limits


async def test_a_limit_is_taken_to_the_last_call(store: wxcv.Store) -> None:
    """Calls are numbered from 1 to the limit; every further one is refused and changes nothing."""
    taken = [await store.take("k", 3) for _ in range(5)]

    assert [one.number for one in taken] == [1, 2, 3, None, None]
    assert [one.refused_by for one in taken] == [None, None, None, "limit", "limit"]
    assert await store.load_usage("k") == wxcv.Usage(3, taken[0].resets_at)
    assert (await store.take("k", 4)).number == 4
    assert (await store.take("other", 0)).refused_by == "limit"


async def test_many_callers_never_exceed_a_limit(shared: SharedStore) -> None:
    """Of 300 callers at once over three stores, exactly as many get a call as the limit says."""
    stores = [shared.open() for _ in range(3)]
    taken = await asyncio.gather(*(stores[n % 3].take("k", 100) for n in range(300)))

    assert sorted(one.number for one in taken if one.number is not None) == list(range(1, 101))


@pytest.mark.parametrize("reset_hour", [0, 5, 23])
async def test_a_day_is_one_of_beijing(shared: SharedStore, store: wxcv.Store, reset_hour: int) -> None:
    """A day ends within 24 h, at the given full hour of UTC+8, by the store's clock."""
    before = await shared.now()
    taken = await store.take("k", 1, reset_hour=reset_hour)
    usage = await store.load_usage("unused", reset_hour=reset_hour)
    after = await shared.now()

    for resets_at in (taken.resets_at, usage.resets_at):
        assert (resets_at + 8 * 3600) % DAY == reset_hour * 3600
        assert before < resets_at <= after + DAY


async def test_a_new_day_begins_at_one(shared: SharedStore, store: wxcv.Store) -> None:
    """After the end of the day the whole limit can be taken again, and the mark of that day is gone."""
    first = await store.take("k", 1)
    await store.mark_day_spent("k", first)
    await shared.advance(DAY)

    assert (await store.load_usage("k")).count == 0
    assert [(await store.take("k", 2)).number for _ in range(3)] == [1, 2, None]


async def test_a_call_that_was_not_sent_is_given_back(store: wxcv.Store) -> None:
    """What is given back can be taken again; below 0, after a refusal, and from a past day nothing is."""
    first, _ = await store.take("k", 2), await store.take("k", 2)
    refused = await store.take("k", 2)
    await store.give_back("k", refused)
    assert (await store.load_usage("k")).count == 2
    await store.give_back("k", first)
    assert (await store.take("k", 2)).number == 2

    for _ in range(3):
        await store.give_back("k", first)
    assert (await store.load_usage("k")).count == 0
    await store.take("k", 2)
    await store.give_back("k", wxcv.Taken(1, first.resets_at - DAY))
    assert (await store.load_usage("k")).count == 1


async def test_a_spent_day_is_spent_for_all(shared: SharedStore) -> None:
    """After WeChat's 45009 nobody gets a call, until the day ends or the mark is cleared."""
    one, other = shared.open(), shared.open()
    taken = await one.take("k", 100)
    await one.mark_day_spent("k", taken)

    assert (await other.take("k", 100)).refused_by == "day"
    assert await other.load_usage("k") == wxcv.Usage(1, taken.resets_at, is_day_spent=True)
    await other.clear_marks("k")
    assert (await one.take("k", 100)).number == 2


async def test_a_late_refusal_does_not_spend_the_next_day(shared: SharedStore, store: wxcv.Store) -> None:
    """A 45009 to a call of yesterday leaves today as it is."""
    await store.take("k", 9)
    await store.mark_day_spent("k", wxcv.Taken(1, await shared.now() - 1))

    assert (await store.take("k", 9)).number == 2


async def test_a_lost_count_does_not_lose_the_mark(shared: SharedStore, store: wxcv.Store) -> None:
    """A day is marked as spent also if nothing is known of it any more."""
    taken = await shared.open().take("elsewhere", 1)
    await store.mark_day_spent("k", taken)

    assert await store.take("k", 9) == wxcv.Taken(None, taken.resets_at, "day")


async def test_a_spent_market_is_tried_by_one_at_a_time(shared: SharedStore) -> None:
    """After 101003 everybody is refused, but for one call every 15 minutes, until the mark is cleared."""
    one, other = shared.open(), shared.open()
    await one.take("k", 100)
    await one.mark_market_spent("k")
    assert [(await store.take("k", 100)).refused_by for store in (one, other)] == ["market", "market"]
    await shared.advance(890)
    assert (await other.take("k", 100)).refused_by == "market"
    await shared.advance(11)

    probe = await other.take("k", 100)
    assert (probe.number, probe.is_probe) == (2, True)
    assert (await one.take("k", 100)).refused_by == "market"
    assert (await one.load_usage("k")).is_market_spent
    await other.clear_marks("k")
    taken = await one.take("k", 100)
    assert (taken.number, taken.is_probe) == (3, False)
    assert not (await one.load_usage("k")).is_market_spent


async def test_a_spent_market_outlasts_the_day(shared: SharedStore, store: wxcv.Store) -> None:
    """On the next day the market quota is still marked as spent, and its first call is a probe."""
    await store.take("k", 100)
    await store.mark_market_spent("k")
    await shared.advance(DAY)

    probe = await store.take("k", 100, probe_every=60)
    assert (probe.number, probe.is_probe) == (1, True)
    assert (await store.take("k", 100, probe_every=60)).refused_by == "market"
    await shared.advance(61)
    assert (await store.take("k", 100, probe_every=60)).is_probe


async def test_a_probe_that_was_not_sent_is_for_the_next_caller(
    shared: SharedStore, store: wxcv.Store
) -> None:
    """When a probe is given back, the next caller may probe at once, and only that one."""
    await store.mark_market_spent("k")
    await shared.advance(901)
    await store.give_back("k", await store.take("k", 100))

    again = await store.take("k", 100)
    assert (again.number, again.is_probe) == (1, True)
    assert (await store.take("k", 100)).refused_by == "market"


async def test_a_probe_counts_and_is_bound_by_the_limit(shared: SharedStore, store: wxcv.Store) -> None:
    """The limit, and a day that is spent, come before the market: nobody probes beyond them."""
    taken = await store.take("full", 1)
    await store.mark_market_spent("full")
    await store.mark_market_spent("spent")
    await store.mark_day_spent("spent", taken)
    await shared.advance(1)

    assert (await store.take("full", 1, probe_every=0.5)).refused_by == "limit"
    assert (await store.take("spent", 1, probe_every=0.5)).refused_by == "day"


async def test_what_is_counted_is_forgotten_after_a_week(shared: SharedStore, store: wxcv.Store) -> None:
    """Seven days after the last change the mark of the market is forgotten, too."""
    await store.mark_market_spent("k")
    await shared.advance(7 * DAY - 10)
    assert (await store.load_usage("k")).is_market_spent
    await shared.advance(20)

    assert not (await store.load_usage("k")).is_market_spent


async def test_a_day_stays_the_same_for_all_who_share_it(store: wxcv.Store) -> None:
    """Processes that disagree on the hour share the day that was begun, and its limit."""
    taken = [await store.take("k", 2, reset_hour=hour) for hour in range(0, 24, 6)]

    assert [one.number for one in taken] == [1, 2, None, None]
    assert len({one.resets_at for one in taken}) == 1


async def test_a_day_of_a_clock_that_was_far_ahead_is_given_up(
    shared: SharedStore, store: wxcv.Store
) -> None:
    """If the store's clock is set back by hours the day goes on; by days, it is forgotten."""
    for back, number in ((DAY - 3600, None), (2 * DAY, 1)):
        await store.take(str(back), 1)
        await shared.advance(-back)
        assert (await store.take(str(back), 1)).number == number
        await shared.advance(back)


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
