"""The statistics of several sessions, added up."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import STATIC
from support.pages import COMM, QRCODE
from support.pictures import PICTURE
from support.same_image import Server
from support.servers import api_server

import wxcv
from wxcv.integrations.session_totals import SessionTotals

LIMITED = wxcv.StaticTokenCredential("t", account="wx1")


async def test_sessions_are_added_up_by_name_and_stay_when_they_are_closed() -> None:
    """What sessions of a name have done is added up, and stays after they were let go of."""
    server, totals = Server(), SessionTotals()
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url) as one,
        wxcv.Session(STATIC, base_url=url) as two,
        wxcv.Session(STATIC, base_url=url) as other,
    ):
        await one.scan_qrcode(PICTURE)  # counts, although it comes before
        with totals.watch(one, "web"), totals.watch(two, "web"), totals.watch(other, "jobs"):
            await two.scan_qrcode(PICTURE)
            await two.printed_text(PICTURE)
            within = totals.collect()
        await one.scan_qrcode(PICTURE)  # does not count, although the session lives
        after = totals.collect()

    assert within == after
    assert (within["web"].calls, within["web"].sends, within["web"].bytes_sent) == (3, 3, 3 * len(PICTURE))
    assert within["web"].sends_by_endpoint == {QRCODE: 2, COMM: 1}
    assert within["jobs"] == wxcv.SessionStats(
        running=0, waiting=0, calls=0, sends=0, retries=0, refreshes=0, bytes_sent=0
    )


async def test_of_what_is_left_the_least_is_told_while_the_session_is_watched() -> None:
    """Of two sessions, the one with the fewest sends left counts, and neither after it was let go of."""
    server, totals = Server(), SessionTotals()
    options: list[Any] = [{"daily_limits": wxcv.DailyLimits({wxcv.PRINTED_TEXT: limit})} for limit in (9, 5)]
    async with (
        api_server(server.call) as url,
        wxcv.Session(LIMITED, base_url=url, **options[0]) as one,
        wxcv.Session(LIMITED, base_url=url, **options[1]) as two,
    ):
        with totals.watch(one, ""), totals.watch(two, ""):
            await one.printed_text(PICTURE)
            assert totals.collect()[""].sends_left_by_endpoint == {COMM: 8}
            await two.printed_text(PICTURE)
            assert totals.collect()[""].sends_left_by_endpoint == {COMM: 4}

        assert totals.collect()[""].sends_left_by_endpoint == {}


async def test_a_session_is_watched_once_at_a_time() -> None:
    """A second watch of the same session is refused, as it would count twice; closing twice does nothing."""
    totals = SessionTotals()
    async with wxcv.Session(STATIC) as session:
        watch = totals.watch(session, "a")
        with pytest.raises(ValueError, match="the session is being watched already"):
            totals.watch(session, "b")
        watch.close()
        watch.close()

        assert list(totals.collect()) == ["a"]


@pytest.mark.parametrize(("session", "name"), [(None, "a"), (wxcv.Session, "a"), (wxcv.Session(STATIC), 5)])
def test_what_cannot_be_watched_is_refused(session: Any, name: Any) -> None:
    """Anything but a session and a name is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=r"session must be a wxcv\.Session|name must be a str"):
        SessionTotals().watch(session, name)
