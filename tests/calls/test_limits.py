"""Daily limits stop calls before WeChat does, and count sends only."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from support.accounts import APP, STATIC
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv
from wxcv.calls.limits import DailyLimiter, Reservation
from wxcv.stores.base import PROBE_PAUSE
from wxcv.stores.local import LocalCounters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3})
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC).timestamp()  # in UTC+8
MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)


class Answers:
    """Counts calls, and answers them with these errcodes (None for a 502) in turn, and then with success."""

    def __init__(self, *errcodes: int | None) -> None:
        self.errcodes = list(errcodes)
        self.calls = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        await request.read()
        self.calls += 1
        errcode = self.errcodes.pop(0) if self.errcodes else 0
        if errcode is None:
            return web.Response(status=502)
        return answer(errcode=errcode, errmsg="not enough market quota", items=[], code_results=[])


async def test_a_limit_ends_calls_and_the_next_day_begins_anew() -> None:
    """Beyond the limit nothing is sent, and the error says when the day ends; after that calls go on."""
    server, clock = Answers(), wxcv.ManualClock(wall=NOON)
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, clock=clock, daily_limits=LIMITS) as session,
    ):
        for _ in range(3):
            await session.printed_text(BLANK)
        with pytest.raises(
            wxcv.DailyLimitError,
            match=r"for wx1: the limit of 3 sends a day is used up; .* 2026-03-02 00:00\+08:00$",
        ) as caught:
            await session.printed_text(BLANK)
        await session.scan_qrcode(BLANK)  # has no limit
        assert server.calls == 4
        clock.advance(12 * 3600)
        await session.printed_text(BLANK)

    assert (caught.value.account_wide, caught.value.sends, caught.value.resets_at) == (True, 0, MIDNIGHT)
    assert server.calls == 5


async def test_a_batch_stops_at_the_limit() -> None:
    """Of ten images three are sent; the others are "not_sent" with the error of the limit."""
    server = Answers()
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, daily_limits=LIMITS) as session,
        session.batch(wxcv.PRINTED_TEXT, [BLANK] * 10) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert server.calls == 3
    assert sorted(outcome.status for outcome in outcomes) == ["not_sent"] * 7 + ["ok"] * 3
    assert {type(outcome.error) for outcome in outcomes} == {type(None), wxcv.DailyLimitError}


async def test_a_retry_is_a_send() -> None:
    """Each attempt of a call is taken from the limit."""
    server = Answers(-1, -1, -1)
    policy = wxcv.RetryPolicy(attempts=5, base=0.01)
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, daily_limits=LIMITS, retries=policy) as session,
    ):
        with pytest.raises(wxcv.DailyLimitError) as caught:
            await session.printed_text(BLANK)

    assert (server.calls, caught.value.sends) == (3, 3)


async def test_what_was_not_sent_is_given_back() -> None:
    """A call that could not connect gives its send back."""
    server = Answers()
    async with api_server(server.call) as url:
        port = int(url.rpartition(":")[2])
    policy = wxcv.RetryPolicy(attempts=1)
    async with wxcv.Session(
        wxcv.StaticTokenCredential("T", account="wx1"), base_url=url, daily_limits=LIMITS, retries=policy
    ) as session:
        for _ in range(5):
            with pytest.raises(wxcv.ConnectError):
                await session.printed_text(BLANK)
        async with api_server(server.call, port=port):
            for _ in range(3):
                await session.printed_text(BLANK)
            with pytest.raises(wxcv.DailyLimitError):
                await session.printed_text(BLANK)

    assert server.calls == 3


async def test_45009_ends_the_day_for_all_who_share_the_store(tmp_path: Path) -> None:
    """After 45009, sessions on the same file send nothing more that day, and their error says what helps."""
    server = Answers(45009)
    async with api_server(server.call) as url, wxcv.SQLiteStore(tmp_path / "store.sqlite") as store:
        for error in (wxcv.QuotaExhaustedError, wxcv.DailyLimitError):
            async with wxcv.Session(APP, base_url=url, store=store, daily_limits=LIMITS) as session:
                with pytest.raises(error) as caught:
                    await session.printed_text(BLANK)

    assert server.calls == 1
    assert "begins anew at 20" in str(caught.value)
    assert "00:00+08:00; after resetting WeChat's quota: clear_quota_marks()" in str(caught.value)


@pytest.mark.parametrize("errcode", [101002, 101003, 9301010])
async def test_without_market_quota_one_call_in_a_quarter_of_an_hour_tries_again(errcode: int) -> None:
    """After 101003 and its like one send in 15 minutes tries again, and its success lets all others go on."""
    server, clock = Answers(errcode, errcode), wxcv.ManualClock(wall=NOON)
    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 100})
    expected: list[type[Exception] | None] = [wxcv.QuotaExhaustedError, wxcv.DailyLimitError]
    expected += [wxcv.QuotaExhaustedError, wxcv.DailyLimitError, None, None]
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, clock=clock, daily_limits=limits) as session,
    ):
        for number, error in enumerate(expected):
            if number in {2, 4}:
                clock.advance(PROBE_PAUSE)
            if error is None:
                await session.printed_text(BLANK)
                continue
            with pytest.raises(error) as caught:
                await session.printed_text(BLANK)
            if isinstance(caught.value, wxcv.DailyLimitError):
                assert caught.value.resets_at is None
                assert str(caught.value).endswith(
                    "one send in 15 minutes tries again; after buying more: clear_quota_marks(), or wxcv "
                    "quota --reset"
                )

    assert server.calls == 4


@pytest.mark.parametrize("failure", [40001, -1, None])
async def test_a_probe_that_told_nothing_is_repeated(failure: int | None, tmp_path: Path) -> None:
    """A probe that meets a refused token or a passing failure is retried; its success lets others go on."""
    answers, clock, tokens = Answers(101003, failure), wxcv.ManualClock(wall=NOON), itertools.count()

    async def token_page(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"access_token": f"T{next(tokens)}", "expires_in": 7200})

    limits, retries = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 100}), wxcv.RetryPolicy(base=0.01)
    async with (
        api_server(answers.call, token_page) as url,
        wxcv.SQLiteStore(tmp_path / "store.db", clock=clock) as store,
        wxcv.Session(APP, base_url=url, store=store, daily_limits=limits, retries=retries) as session,
    ):
        with pytest.raises(wxcv.QuotaExhaustedError):
            await session.printed_text(BLANK)
        clock.advance(PROBE_PAUSE)
        await session.printed_text(BLANK)
        await session.printed_text(BLANK)

    assert answers.calls == 4


class Broken(wxcv.SQLiteStore):
    """A store that cannot count."""

    async def take(self, *_arguments: object, **_options: object) -> wxcv.Taken:
        """Fail."""
        raise wxcv.StoreError("the disk is full")


@pytest.mark.parametrize("mode", ["stop", "count_locally"])
async def test_a_store_that_fails_stops_calls_unless_told_otherwise(mode: str, tmp_path: Path) -> None:
    """If its store fails, a session sends nothing, or counts for itself, as ``without_store`` says."""
    server = Answers()
    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 2}, without_store=mode)  # type: ignore[arg-type] # one of both
    async with (
        api_server(server.call) as url,
        Broken(tmp_path / "store.sqlite") as store,
        wxcv.Session(APP, base_url=url, store=store, daily_limits=limits) as session,
    ):
        errors = await asyncio.gather(
            *(session.printed_text(BLANK) for _ in range(4)), return_exceptions=True
        )

    kinds = sorted(type(error).__name__ for error in errors)
    assert kinds == (["StoreError"] * 4 if mode == "stop" else ["DailyLimitError"] * 2 + ["PrintedText"] * 2)
    assert server.calls == (0 if mode == "stop" else 2)


async def test_a_refusal_that_is_not_about_the_day_marks_nothing() -> None:
    """After the errcode of any other quota calls go on."""
    server = Answers(45040)
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, daily_limits=LIMITS) as session,
    ):
        with pytest.raises(wxcv.QuotaExhaustedError):
            await session.printed_text(BLANK)
        await session.printed_text(BLANK)

    assert server.calls == 2


class Forgetful(wxcv.SQLiteStore):
    """A store that counts and cannot keep marks."""

    async def mark_day_spent(self, *_arguments: object) -> None:
        """Fail."""
        raise wxcv.StoreError("the disk is full")


async def test_a_mark_that_cannot_be_stored_hides_no_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If the store fails after WeChat's refusal, the call raises the refusal, and the failure is logged."""
    server = Answers(45009)
    async with (
        api_server(server.call) as url,
        Forgetful(tmp_path / "store.sqlite") as store,
        wxcv.Session(APP, base_url=url, store=store, daily_limits=LIMITS) as session,
    ):
        with pytest.raises(wxcv.QuotaExhaustedError):
            await session.printed_text(BLANK)

    assert caplog.messages[-1].startswith("the disk is full; sessions that share the store may not learn")


class Full(wxcv.SQLiteStore):
    """A store of which every change fails."""

    async def _fail(self, *_arguments: object) -> None:
        raise wxcv.StoreError("the disk is full")

    give_back = mark_day_spent = mark_market_spent = release_probe = clear_marks = _fail


def refused(errcode: int) -> wxcv.QuotaExhaustedError:
    """Make WeChat's refusal."""
    return wxcv.QuotaExhaustedError(errcode, "")


@pytest.mark.parametrize(
    ("change", "consequence"),
    [
        (lambda limiter, one: limiter.give_back(one), "the daily limit may count a send too many"),
        (
            lambda limiter, one: limiter.record_failure(one, refused(45009)),
            "sessions that share the store may not learn that the quota is used up",
        ),
        (
            lambda limiter, one: limiter.record_failure(one, refused(101003)),
            "sessions that share the store may not learn that the quota is used up",
        ),
        (
            lambda limiter, one: limiter.record_failure(one, wxcv.ConnectError("down")),
            "sessions that share the store may still wait for market quota",
        ),
        (
            lambda limiter, one: limiter.record_success(one),
            "sessions that share the store may still wait for market quota",
        ),
    ],
    ids=["give back", "45009", "101003", "probe", "success"],
)
async def test_a_change_that_cannot_be_stored_is_logged_with_its_consequence(
    change: Callable[[DailyLimiter, Reservation], Awaitable[None]],
    consequence: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For each of the five changes of a count, the log says what follows if it could not be stored."""
    async with Full(tmp_path / "store.sqlite") as store:
        limiter = DailyLimiter(LIMITS, store, wxcv.ManualClock())
        await change(limiter, Reservation(store, "k", wxcv.Taken(1, NOON, is_probe=True)))

    assert caplog.messages == [f"the disk is full; {consequence}"]


class TokensOnly:
    """A store that has the methods for tokens only."""

    load = save = invalidate = acquire = release = print
    count_forced_refresh = load_refresh_token = save_refresh_token = print


def test_a_store_that_cannot_count_is_refused() -> None:
    """With daily limits, a store without the methods of CounterStore is refused by name."""
    tokens = wxcv.TokenCache(store=TokensOnly())  # type: ignore[arg-type] # on purpose
    with pytest.raises(TypeError, match="store must be a CounterStore too, to count sends, not TokensOnly"):
        wxcv.Session(APP, tokens=tokens, daily_limits=LIMITS)


def test_an_account_that_is_not_known_cannot_be_counted() -> None:
    """With daily limits, a credential without an account is refused, by on_behalf_of too."""
    with pytest.raises(ValueError, match="account="):
        wxcv.Session(STATIC, daily_limits=LIMITS)
    session = wxcv.Session(APP, daily_limits=LIMITS)
    with pytest.raises(ValueError, match="account="):
        session.on_behalf_of(STATIC)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wxcv.DailyLimits([]),  # type: ignore[arg-type] # on purpose
        lambda: wxcv.DailyLimits({"printed_text": 1}),  # type: ignore[dict-item] # on purpose
        lambda: wxcv.DailyLimits({wxcv.PRINTED_TEXT: -1}),
        lambda: wxcv.DailyLimits({wxcv.PRINTED_TEXT: 1.5}),  # type: ignore[dict-item] # on purpose
        lambda: wxcv.DailyLimits({}, reset_hour=24),
        lambda: wxcv.DailyLimits({}, without_store="go on"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_wrong_limits_are_refused(make: Callable[[], object]) -> None:
    """A wrong limit, hour or mode is refused at once."""
    with pytest.raises((TypeError, ValueError)):
        make()


async def test_the_days_of_one_process_follow_its_clock() -> None:
    """A local count begins anew at the hour, is given back within its day only, and is never negative."""
    clock = wxcv.ManualClock(wall=NOON)
    counters = LocalCounters(clock)
    first = await counters.take("k", 2, reset_hour=3)
    assert (first.number, first.resets_at) == (1, datetime(2026, 3, 1, 19, tzinfo=UTC).timestamp())
    await counters.give_back("k", first)
    await counters.give_back("k", first)
    assert (await counters.load_usage("k", reset_hour=3)).count == 0
    await counters.take("k", 2, reset_hour=3)
    clock.advance(86_400)
    await counters.mark_day_spent("k", first)  # of a day that is over
    assert (await counters.take("k", 1, reset_hour=3)).number == 1


async def test_a_send_that_was_taken_is_made_though_the_batch_has_stopped(tmp_path: Path) -> None:
    """If the limit stops a batch after the last send was taken, that send takes place all the same."""
    server, refused = Answers(), asyncio.Event()

    class LastIsSlow(wxcv.SQLiteStore):
        async def take(self, key: str, limit: int, **options: Any) -> wxcv.Taken:
            taken = await super().take(key, limit, **options)
            if taken.number is None:
                refused.set()
            else:
                await refused.wait()
                await asyncio.sleep(0)  # for the batch to learn of the refusal
            return taken

    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 1})
    async with (
        api_server(server.call) as url,
        LastIsSlow(tmp_path / "s.db") as store,
        wxcv.Session(APP, base_url=url, concurrency=2, store=store, daily_limits=limits) as session,
        session.batch(wxcv.PRINTED_TEXT, [BLANK] * 3) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert sorted(outcome.status for outcome in outcomes) == ["not_sent", "not_sent", "ok"]
    assert server.calls == 1
