"""What stats() tells of the sends that daily limits leave."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.accounts import QUICK
from support.pages import COMM
from support.pictures import BLANK
from support.same_image import Server
from support.servers import api_server

import wxcv
from wxcv.calls.sends_left import SendsLeft

LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3})
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC).timestamp()  # in UTC+8
ONE, OTHER = (wxcv.StaticTokenCredential("t", account=account) for account in ("wx1", "wx2"))


def make_session(url: str, clock: wxcv.ManualClock | None = None) -> wxcv.Session:
    """Make a session with a limit for one endpoint."""
    return wxcv.Session(ONE, base_url=url, clock=clock, daily_limits=LIMITS, retries=QUICK)


def left(session: wxcv.Session) -> dict[str, int]:
    """Return the sends left by path."""
    return dict(session.stats().sends_left_by_endpoint)


async def test_the_sends_left_are_told_until_the_day_ends() -> None:
    """Each send takes one; an endpoint without a limit, or without a send today, is not told of."""
    server, clock = Server(), wxcv.ManualClock(wall=NOON)
    async with api_server(server.call) as url, make_session(url, clock) as session:
        assert left(session) == {}
        for expected in (2, 1, 0):
            await session.printed_text(BLANK)
            await session.scan_qrcode(BLANK)
            assert left(session) == {COMM: expected}
        with pytest.raises(wxcv.DailyLimitError):
            await session.printed_text(BLANK)
        assert left(session) == {COMM: 0}
        clock.advance(12 * 3600)
        assert left(session) == {}
        await session.printed_text(BLANK)
        assert left(session) == {COMM: 2}


async def test_the_account_with_the_fewest_sends_is_told_of() -> None:
    """Of the accounts of a session, the one with the fewest sends left counts."""
    server = Server()
    async with api_server(server.call) as url, make_session(url) as session:
        await session.printed_text(BLANK)
        other = session.on_behalf_of(OTHER)
        await other.printed_text(BLANK)
        await other.printed_text(BLANK)
        assert left(session) == left(other) == {COMM: 1}
        await session.printed_text(BLANK)
        assert left(session) == left(other) == {COMM: 1}
        await session.printed_text(BLANK)

        assert left(session) == {COMM: 0}


async def test_what_was_not_sent_is_left() -> None:
    """A call that could not connect leaves as many sends as before."""
    server = Server()
    async with api_server(server.call) as url:
        port = int(url.rpartition(":")[2])
    async with make_session(url) as session:
        with pytest.raises(wxcv.ConnectError):
            await session.printed_text(BLANK)
        assert left(session) == {COMM: 3}
        async with api_server(server.call, port=port):
            await session.printed_text(BLANK)

        assert left(session) == {COMM: 2}


@pytest.mark.parametrize("errcode", [45009, 101003])
async def test_a_quota_that_is_used_up_leaves_none(errcode: int) -> None:
    """After WeChat's refusal no send is left, until the mark is cleared and the next send tells anew."""
    server = Server(errcode, "not enough market quota")
    async with api_server(server.call) as url, make_session(url) as session:
        with pytest.raises(wxcv.QuotaExhaustedError):
            await session.printed_text(BLANK)
        assert left(session) == {COMM: 0}
        await session.clear_quota_marks(wxcv.PRINTED_TEXT)
        assert left(session) == {}
        server.errcode = 0
        await session.printed_text(BLANK)

        assert left(session) == {COMM: 1}


async def test_a_probe_of_the_market_quota_that_succeeds_is_told_by_the_next_send() -> None:
    """While the market quota is marked as used up no send is left; after the probe, the next send tells."""
    server, clock = Server(101003, "not enough market quota"), wxcv.ManualClock(wall=NOON)
    async with api_server(server.call) as url, make_session(url, clock) as session:
        with pytest.raises(wxcv.QuotaExhaustedError):
            await session.printed_text(BLANK)
        server.errcode = 0
        clock.advance(15 * 60)
        await session.printed_text(BLANK)
        assert left(session) == {}
        await session.printed_text(BLANK)

        assert left(session) == {COMM: 0}


def recorded(*takes: tuple[str, wxcv.Taken]) -> dict[str, int]:
    """Return what is left of a limit of 3 at noon after these takes, by key."""
    sends_left = SendsLeft()
    for key, taken in takes:
        sends_left.record(COMM, key, taken, 3)
    return sends_left.at(NOON)


def test_what_the_store_said_last_of_an_account_counts() -> None:
    """A mark that another session has cleared, or a new day, gives the account its sends back."""
    spent, today, tomorrow = wxcv.Taken(None, NOON + 1, "day"), NOON + 1, NOON + 86_400

    assert recorded(("wx1", spent)) == {COMM: 0}
    assert recorded(("wx1", spent), ("wx1", wxcv.Taken(1, today))) == {COMM: 2}
    assert recorded(("wx1", spent), ("wx2", wxcv.Taken(1, today))) == {COMM: 0}
    assert recorded(("wx1", spent), ("wx2", wxcv.Taken(1, tomorrow))) == {COMM: 2}


def test_while_the_market_quota_is_tried_none_is_left() -> None:
    """A send that tries whether market quota is left does not tell that more may be sent."""
    assert recorded(("wx1", wxcv.Taken(1, NOON + 1, is_probe=True))) == {COMM: 0}


def test_what_one_account_does_changes_nothing_for_another() -> None:
    """A send that is given back, and a quota that is used up, count for the account whose number is known."""
    sends_left = SendsLeft()
    sends_left.record(COMM, "wx1", wxcv.Taken(2, NOON + 1), 3)
    sends_left.give_back("wx2")
    sends_left.record_spent("wx2")
    assert sends_left.at(NOON) == {COMM: 1}

    sends_left.give_back("wx1")
    assert sends_left.at(NOON) == {COMM: 2}
    sends_left.record_spent("wx1")
    assert sends_left.at(NOON) == {COMM: 0}
