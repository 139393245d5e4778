"""The quotas of the cv pages: by day, by minute, and of the service market."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import types
from typing import Any

import pytest
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import Caller, Now, calling, said

from wxcv.sandbox import Choices, Fault, Quota, Sandbox, Usage

DAY, MINUTE, MARKET = 45009, 45011, 101003
BEIJING = dt.timezone(dt.timedelta(hours=8))


def at(hour: int, minute: int = 0, second: int = 0) -> Now:
    """A clock at this time of a day in Beijing."""
    now = Now()
    now.seconds = dt.datetime(2026, 3, 1, hour, minute, second, tzinfo=BEIJING).timestamp()
    return now


async def errcodes(caller: Caller, times: int, path: str = QRCODE) -> list[int]:
    """Upload a small image so often."""
    return [(await caller.upload(path, pictures.blank_png()))["errcode"] for _ in range(times)]


async def test_day_has_so_many_calls() -> None:
    """Beyond `per_day` calls are 45009 until midnight in Beijing, and then there are as many again."""
    now = at(23, 58)
    async with calling(clock=now, quota=Quota(per_day=2)) as caller:
        assert await errcodes(caller, 3) == [0, 0, DAY]
        refused = await caller.upload(QRCODE, b"x")
        assert said(refused) == (DAY, "reach max api daily quota limit")
        now.seconds += 119
        assert await errcodes(caller, 1) == [DAY]
        now.seconds += 1
        assert await errcodes(caller, 3) == [0, 0, DAY]


async def test_minute_has_so_many_calls() -> None:
    """Beyond `per_minute` calls are 45011 until the clock's next minute, however short that is away."""
    now = at(12, 0, 50)
    async with calling(clock=now, quota=Quota(per_minute=2)) as caller:
        assert await errcodes(caller, 2) == [0, 0]
        refused = await caller.upload(QRCODE, b"x")
        assert said(refused) == (MINUTE, "api minute-quota reach limit mustslower retry next minute")
        now.seconds += 9.9
        assert await errcodes(caller, 1) == [MINUTE]
        now.seconds += 0.1
        assert await errcodes(caller, 3) == [0, 0, MINUTE]


async def test_market_is_for_text_and_never_comes_back() -> None:
    """Beyond `market` calls for text are 101003, on the next day too, and codes need no market."""
    now = at(12)
    async with calling(clock=now, token_life=200_000, quota=Quota(market=1)) as caller:
        assert await errcodes(caller, 2, COMM) == [0, MARKET]
        now.seconds += 86_400
        assert said(await caller.upload(COMM, b"x")) == (MARKET, "not enough market quota")
        assert await errcodes(caller, 3) == [0, 0, 0]


async def test_each_page_counts_for_itself() -> None:
    """One quota for all pages is counted apart for each."""
    async with calling(clock=at(12), quota=Quota(per_day=1)) as caller:
        assert await errcodes(caller, 2) == [0, DAY]
        assert await errcodes(caller, 2, COMM) == [0, DAY]


async def test_pages_can_have_quotas_of_their_own() -> None:
    """A quota by path limits that path alone."""
    async with calling(clock=at(12), quota={QRCODE: Quota(per_day=1)}) as caller:
        assert await errcodes(caller, 2) == [0, DAY]
        assert await errcodes(caller, 2, COMM) == [0, 0]


async def test_day_goes_before_the_minute_and_the_market() -> None:
    """A call that is over several limits is 45009 first, then 45011, then 101003."""
    for quota, errcode in (
        (Quota(per_day=0, per_minute=0, market=0), DAY),
        (Quota(per_minute=0, market=0), MINUTE),
        (Quota(market=0), MARKET),
    ):
        async with calling(quota=quota) as caller:
            assert await errcodes(caller, 1, COMM) == [errcode]


async def test_calls_at_the_same_time_do_not_overdraw() -> None:
    """Of ten calls at the same time exactly as many pass as the day has."""
    async with calling(clock=at(12), quota=Quota(per_day=4)) as caller:
        await caller.token()
        answers = await asyncio.gather(*(errcodes(caller, 1) for _ in range(10)))

    assert sorted(answers) == [[0]] * 4 + [[DAY]] * 6


async def test_spent_can_be_read() -> None:
    """`spent` tells the calls that counted in this day and minute and ever, limited or not."""
    now = at(23, 58)
    async with calling(clock=now, quota=Quota(per_minute=2)) as caller:
        await errcodes(caller, 3)
        assert caller.box.usage(QRCODE) == Usage(day=2, minute=2, total=2)
        now.seconds += 60
        await errcodes(caller, 1)
        assert caller.box.usage(QRCODE) == Usage(day=3, minute=1, total=3)
        now.seconds += 60
        assert caller.box.usage(QRCODE) == Usage(day=0, minute=0, total=3)
        assert caller.box.usage(COMM) == Usage(day=0, minute=0, total=0)
        with pytest.raises(KeyError):
            caller.box.usage("/cgi-bin/token")


async def test_refused_tokens_and_faults_cost_nothing() -> None:
    """A call with a bad token, or one that a fault answers, does not count."""
    async with calling(clock=at(12), quota=Quota(per_day=1)) as caller:
        caller.box.fail_next(QRCODE, Fault(errcode=-1))
        assert await errcodes(caller, 1) == [-1]
        assert await caller.errcode("made-up") == 40001
        assert caller.box.usage(QRCODE).day == 0
        assert await errcodes(caller, 1) == [0]


@pytest.mark.parametrize(("choices", "spent"), [({}, (1, 1, 1)), ({"failed_call_spends": False}, (0, 1, 0))])
async def test_failed_call_spends(choices: dict[str, Any], spent: tuple[int, int, int]) -> None:
    """A picture that cannot be read counts for day and market or does not, and for the minute always."""
    async with calling(clock=at(12), choices=Choices(**choices)) as caller:
        assert (await caller.upload(COMM, b"not an image"))["errcode"] == 101002
        now = caller.box.usage(COMM)

    assert (now.day, now.minute, now.total) == spent


def test_failed_call_gives_nothing_to_a_day_that_it_was_not_taken_from() -> None:
    """A call that fails after midnight is given back to nobody's day."""
    now = at(23, 59, 59)
    box = Sandbox(clock=now, choices=Choices(failed_call_spends=False))

    def fail_after_midnight() -> None:
        with box._meters[COMM].count_call():
            now.seconds += 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_midnight()
    assert box.usage(COMM) == Usage(day=0, minute=0, total=0)


async def test_fault_of_the_engine_is_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is answered with -1 because the engine broke is given back like any that failed."""
    async with calling(choices=Choices(failed_call_spends=False)) as caller:
        await caller.token()
        monkeypatch.setitem(sys.modules, "zxingcpp", types.ModuleType("zxingcpp"))
        assert await errcodes(caller, 1) == [-1]
        assert caller.box.usage(QRCODE).day == 0


async def test_quota_reset_hour() -> None:
    """The day's calls begin anew at the hour of the switch, and at no other."""
    now = at(5, 59)
    choices = Choices(quota_reset_hour=6)
    async with calling(clock=now, quota=Quota(per_day=1), choices=choices, token_life=86_400) as caller:
        assert await errcodes(caller, 2) == [0, DAY]
        now.seconds += 60
        assert await errcodes(caller, 2) == [0, DAY]
        now.seconds += 18 * 3600
        assert await errcodes(caller, 1) == [DAY]


async def test_quota_reset_hour_is_that_of_forced_refreshes_too() -> None:
    """The twenty forced refreshes of a day begin anew at the hour of the switch."""
    now = at(5, 40)
    async with calling(clock=now, choices=Choices(quota_reset_hour=6)) as caller:
        for _ in range(20):
            assert "access_token" in await caller.stable(force_refresh=True)
            now.seconds += 30
        assert (await caller.stable(force_refresh=True))["errcode"] == DAY
        now.seconds += 600
        assert "access_token" in await caller.stable(force_refresh=True)


@pytest.mark.parametrize("name", ["per_day", "per_minute", "market"])
@pytest.mark.parametrize("value", [-1, 1.5, True, "1"])
def test_bad_quota_is_named(name: str, value: object) -> None:
    """A limit that is no count is named in the error."""
    with pytest.raises(ValueError, match=f"^{name} must be an integer"):
        Quota(**{name: value})


@pytest.mark.parametrize(
    "quota",
    [
        None,
        100,
        {QRCODE: 100},
        {"/cv/img/unknown": Quota()},
        {QRCODE: Quota(market=1)},
    ],
)
def test_quotas_must_be_for_the_cv_pages(quota: object) -> None:
    """What is no quota, is for another path, or gives codes a market, is refused."""
    with pytest.raises((TypeError, ValueError), match=r"^quota must "):
        Sandbox(quota=quota)
