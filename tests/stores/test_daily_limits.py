"""What every store does with daily limits, and the memory of one process, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.stores import STORES

import wxcv

if TYPE_CHECKING:
    from support.stores import SharedStore

DAY = 86_400

pytestmark = pytest.mark.parametrize("shared", [*STORES, "memory"], indirect=True)


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
    first, second = await store.take("k", 2), await store.take("k", 2)
    refused = await store.take("k", 2)
    await store.give_back("k", refused)
    assert (await store.load_usage("k")).count == 2
    await store.give_back("k", first)
    assert (await store.take("k", 2)).number == 2

    for one in (second, wxcv.Taken(1, first.resets_at), wxcv.Taken(1, first.resets_at)):
        await store.give_back("k", one)
    assert (await store.load_usage("k")).count == 0
    await store.take("k", 2)
    await store.give_back("k", wxcv.Taken(1, first.resets_at - DAY))
    assert (await store.load_usage("k")).count == 1


async def test_what_is_given_back_twice_counts_once(shared: SharedStore) -> None:
    """Giving the same call back again changes nothing, also through another store and after other changes."""
    one, other = shared.open(), shared.open()
    taken = [await one.take("k", 9) for _ in range(4)]
    for store in (one, other, one):
        await store.give_back("k", taken[0])
    assert (await one.load_usage("k")).count == 3
    await other.give_back("k", taken[1])
    await other.take("k", 9)
    for again in taken[:2]:
        await one.give_back("k", again)

    assert (await other.load_usage("k")).count == 3


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


async def test_a_mark_of_the_market_begins_no_day(store: wxcv.Store) -> None:
    """A day that begins after the market was marked as spent begins at its own hour."""
    await store.mark_market_spent("k")
    await store.clear_marks("k")

    assert ((await store.take("k", 1, reset_hour=9)).resets_at + 8 * 3600) % DAY == 9 * 3600


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


async def test_a_probe_that_told_nothing_is_for_the_next_caller(
    shared: SharedStore, store: wxcv.Store
) -> None:
    """When a probe is released, the next caller may probe at once, and only that one; both are counted."""
    first = await store.take("k", 100)
    await store.mark_market_spent("k")
    await store.release_probe("k", first)  # which was none
    assert (await store.take("k", 100)).refused_by == "market"
    await shared.advance(901)
    await store.release_probe("k", await store.take("k", 100))

    again = await store.take("k", 100)
    assert (again.number, again.is_probe) == (3, True)
    assert (await store.take("k", 100)).refused_by == "market"
    await store.clear_marks("k")
    await store.release_probe("k", again)  # too late
    assert not (await store.load_usage("k")).is_market_spent


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
