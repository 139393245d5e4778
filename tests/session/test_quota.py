"""What WeChat says of an endpoint's quota, and what was counted here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.accounts import APP, SECRET, STATIC, TOKEN
from support.pages import COMM
from support.pictures import BLANK, PICTURE
from support.redis_server import RedisServer
from support.servers import answer, http_answer, raw_server, read_request
from support.stores import SharedFile

import wxcv
from wxcv.sandbox import Fault, Quota, Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

GET = "/cgi-bin/openapi/quota/get"
LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3})
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC).timestamp()  # in UTC+8
MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC).timestamp()


async def test_the_quota_is_what_wechat_has_counted() -> None:
    """quota() returns the limit of the day, what is used and remains, and the limit of the minute."""
    async with Sandbox(quota=Quota(per_day=5, per_minute=3)) as box:
        async with wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url) as session:
            await session.scan_qrcode(PICTURE)
            quota = await session.quota(wxcv.SCAN_QRCODE)
            other = await session.quota(wxcv.PRINTED_TEXT)

    assert quota == wxcv.Quota(5, 1, 4, wxcv.RateLimit(3, 60))
    assert (other.used, other.remain) == (0, 5)


async def test_a_query_is_no_call(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A query counts as no call, no send and no retry, takes nothing from a limit, and reports no attempt."""
    events: list[wxcv.AttemptEvent] = []
    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 0})
    async with wxcv.Session(
        credential, base_url=box.base_url, daily_limits=limits, on_attempt=events.append
    ) as session:
        await session.quota(wxcv.PRINTED_TEXT)
        stats, usage = session.stats(), await session.usage(wxcv.PRINTED_TEXT)

    assert (stats.calls, stats.sends, stats.retries, stats.sends_by_endpoint) == (0, 0, 0, {})
    assert (usage.count, events) == (0, [])


async def test_a_throttled_query_does_not_pace_calls(box: Sandbox, session: wxcv.Session) -> None:
    """After a 45011 to the query, a call to the endpoint is sent at once."""
    box.fail_next(GET, Fault(errcode=45011))
    with pytest.raises(wxcv.RateLimitedError):
        await session.quota(wxcv.SCAN_QRCODE)
    await session.scan_qrcode(PICTURE)

    assert session.stats().sends == 1


async def test_a_refused_token_is_refreshed_once(box: Sandbox, session: wxcv.Session) -> None:
    """A token that WeChat refuses is replaced, and the query is sent once more."""
    await session.token()
    box.fail_next(GET, Fault(errcode=42001))
    await session.quota(wxcv.SCAN_QRCODE)
    assert (box.requests[GET], session.stats().refreshes) == (2, 2)


@pytest.mark.parametrize(("errcode", "requests"), [(42001, 2), (41001, 1)])
async def test_a_token_that_is_always_refused_ends_the_query(
    box: Sandbox, session: wxcv.Session, errcode: int, requests: int
) -> None:
    """After the second refusal, or the first one that no new token mends, nothing more is sent."""
    box.fail_always(GET, Fault(errcode=errcode))
    with pytest.raises(wxcv.TokenRejectedError) as caught:
        await session.quota(wxcv.SCAN_QRCODE)

    assert (box.requests[GET], caught.value.sends) == (requests, 0)


@pytest.mark.parametrize(
    ("errcode", "cls", "text"),
    [
        (76021, wxcv.APIError, "does not know the path; look at the quota in WeChat's console"),
        (76003, wxcv.APIError, "does not know the path; look at the quota in WeChat's console"),
        (76022, wxcv.PermissionDeniedError, "this kind of token may not ask for the path's quota"),
    ],
)
async def test_a_path_or_token_that_the_query_does_not_accept_is_told(
    box: Sandbox, session: wxcv.Session, errcode: int, cls: type[wxcv.APIError], text: str
) -> None:
    """A path that WeChat does not know, and a token of the wrong kind, have an error that says so."""
    box.fail_next(GET, Fault(errcode=errcode))
    with pytest.raises(cls, match=text) as caught:
        await session.quota(wxcv.SCAN_QRCODE)

    assert type(caught.value) is cls
    assert caught.value.errcode == errcode


async def test_a_third_party_platform_asks_with_the_authorizers_token(box: Sandbox) -> None:
    """The quota of an authorizer is asked for with its own token, and a component's token is refused."""
    component = wxcv.ComponentCredential(box.component_appid, box.component_appsecret, box.ticket)
    merchant = wxcv.AuthorizerCredential(component, "wxm", box.authorize("wxm"))
    async with wxcv.Session(component, base_url=box.base_url) as session:
        assert (await session.on_behalf_of(merchant).quota(wxcv.SCAN_QRCODE)).used == 0
        with pytest.raises(wxcv.PermissionDeniedError, match="76022"):
            await session.quota(wxcv.SCAN_QRCODE)


async def test_a_service_in_cloud_hosting_asks_through_its_relay(box: Sandbox) -> None:
    """Through the relay no token is needed, and a response that is not the relay's is refused."""
    async with Sandbox(relay=True) as relay:
        async with wxcv.Session(wxcv.CloudRelayCredential(), base_url=relay.base_url) as session:
            assert (await session.quota(wxcv.SCAN_QRCODE)).used == 0
        assert not relay.tokens_issued
    async with wxcv.Session(wxcv.CloudRelayCredential(), base_url=box.base_url) as session:
        with pytest.raises(wxcv.ProtocolError, match="was not relayed"):
            await session.quota(wxcv.SCAN_QRCODE)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"quota": None},
        {"quota": {"daily_limit": 1, "used": 1}},
        {"quota": {"daily_limit": 1, "used": 0.5, "remain": 1}},
        {"quota": {"daily_limit": 1, "used": True, "remain": 1}},
        {"quota": {"daily_limit": 1, "used": 0, "remain": 1}, "rate_limit": {"call_count": 5}},
        {"quota": {"daily_limit": 1, "used": 0, "remain": 1}, "rate_limit": 5},
    ],
    ids=range(7),
)
async def test_an_answer_of_another_shape_is_a_protocol_error(body: dict[str, Any]) -> None:
    """An answer without its counts, or with impossible ones, is refused and shows nothing secret."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(answer(**body, echo=TOKEN).body))

    async with raw_server(serve) as url, wxcv.Session(STATIC, base_url=url) as session:
        with pytest.raises(wxcv.ProtocolError, match="quota/get does not match") as caught:
            await session.quota(wxcv.SCAN_QRCODE)

    assert TOKEN not in str(caught.value)


def test_a_quota_reads_and_writes_wechats_json() -> None:
    """Numbers may come as texts, limits that are empty are None, and to_dict returns what from_dict reads."""
    counts = {"daily_limit": 100, "used": 3, "remain": 97}
    limit = {"call_count": 10, "refresh_second": 60}
    quota = wxcv.Quota.from_dict({"quota": {**counts, "used": "3"}, "rate_limit": {}, "errcode": 0})

    assert quota == wxcv.Quota(100, 3, 97)
    assert quota.to_dict() == {"quota": counts}
    fields = {"quota": counts, "rate_limit": limit, "component_rate_limit": limit}
    assert wxcv.Quota.from_dict(fields).to_dict() == fields


def hang() -> tuple[asyncio.Event, Callable[..., Awaitable[None]]]:
    """Make a server that answers nothing, and an event that tells of a request."""
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    return arrived, serve


async def test_a_query_without_an_answer_ends_in_time() -> None:
    """attempt_timeout bounds a query, whose error tells how long it took."""
    _, serve = hang()
    async with raw_server(serve) as url, wxcv.Session(STATIC, base_url=url, attempt_timeout=0.2) as session:
        with pytest.raises(wxcv.CallTimeoutError) as caught:
            await session.quota(wxcv.SCAN_QRCODE)

    assert (caught.value.sends, caught.value.elapsed > 0) == (0, True)


@pytest.mark.parametrize("is_borrowed", [False, True], ids=["own", "borrowed"])
async def test_a_query_ends_with_its_session(is_borrowed: bool) -> None:
    """Closing the session ends a running query with SessionClosedError, on borrowed connections too."""
    arrived, serve = hang()
    async with raw_server(serve) as url, aiohttp.ClientSession() as http:
        session = wxcv.Session(STATIC, base_url=url, http=http if is_borrowed else None)
        query = asyncio.create_task(session.quota(wxcv.SCAN_QRCODE))
        await arrived.wait()
        await session.aclose(grace=0)
        with pytest.raises(wxcv.SessionClosedError):
            await query
        with pytest.raises(wxcv.SessionClosedError):
            await session.quota(wxcv.SCAN_QRCODE)


async def test_no_error_of_a_query_shows_the_token() -> None:
    """A refusal or an error page that repeats token and secret is masked; nothing of aiohttp's is kept."""
    pages = [
        (b'{"errcode":99999,"errmsg":"%s %s"}', "200 OK", wxcv.APIError),
        (b"<html>%s %s</html>", "502 Bad Gateway", wxcv.ProtocolError),
        (b"", "200 OK", wxcv.AnswerLostError),
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, sent = await read_request(reader)
        if b"grant_type" in sent:
            writer.write(http_answer(b'{"access_token":"%s","expires_in":7200}' % TOKEN.encode()))
            await read_request(reader)
        if page[0]:
            writer.write(http_answer(page[0] % (TOKEN.encode(), SECRET.encode()), page[1]))

    for page in pages:
        async with raw_server(serve) as url, wxcv.Session(APP, base_url=url) as session:
            with pytest.raises(page[2]) as caught:
                await session.quota(wxcv.SCAN_QRCODE)
        assert "MARKED" not in f"{caught.value} {caught.value.args} {vars(caught.value)}"
        assert caught.value.__context__ is None


async def test_the_query_is_for_endpoints_only(session: wxcv.Session) -> None:
    """A path instead of an Endpoint is refused by all three methods before anything is sent."""
    for method in (session.quota, session.usage, session.clear_quota_marks):
        with pytest.raises(TypeError, match=r"wxcv\.SCAN_QRCODE"):
            await method(COMM)  # type: ignore[arg-type] # on purpose


async def test_without_a_store_the_usage_is_the_sessions_own(box: Sandbox) -> None:
    """Sends of limited endpoints are counted, until the day ends."""
    clock, box_credential = wxcv.ManualClock(wall=NOON), wxcv.AppCredential(box.appid, box.secret)
    limits = wxcv.DailyLimits({wxcv.SCAN_QRCODE: 3})
    async with wxcv.Session(
        box_credential, base_url=box.base_url, clock=clock, daily_limits=limits
    ) as session:
        await session.scan_qrcode(PICTURE)
        assert await session.usage(wxcv.SCAN_QRCODE) == wxcv.Usage(1, MIDNIGHT)
        clock.advance(12 * 3600)
        assert (await session.usage(wxcv.SCAN_QRCODE)).count == 0
        with pytest.raises(ValueError, match=r"usage\(\) needs .*store=.* daily limit for printed_text"):
            await session.usage(wxcv.PRINTED_TEXT)


async def test_without_limits_and_store_nothing_is_known(session: wxcv.Session) -> None:
    """A session that counts nothing says what it would need."""
    for method, name in ((session.usage, "usage"), (session.clear_quota_marks, "clear_quota_marks")):
        with pytest.raises(ValueError, match=rf"{name}\(\) needs Session\(\.\.\., store="):
            await method(wxcv.SCAN_QRCODE)


async def test_a_closed_session_counts_nothing_any_more(tmp_path: Path) -> None:
    """After the session was closed its usage and marks are out of reach, and the store is not opened."""
    path = tmp_path / "store.db"
    async with wxcv.SQLiteStore(path) as store:
        async with wxcv.Session(APP, store=store) as session:
            pass
        for method in (session.usage, session.clear_quota_marks):
            with pytest.raises(wxcv.SessionClosedError):
                await method(wxcv.SCAN_QRCODE)

    assert not path.exists()


async def test_without_an_account_nothing_is_known(tmp_path: Path) -> None:
    """A credential without an account is refused, with the argument that it lacks."""
    async with (
        wxcv.SQLiteStore(tmp_path / "store.db") as store,
        wxcv.Session(STATIC, store=store) as session,
    ):
        with pytest.raises(ValueError, match=r"usage\(\) needs .* StaticTokenCredential\(\.\.\., account="):
            await session.usage(wxcv.SCAN_QRCODE)


async def test_both_marks_are_seen_and_cleared_by_all_who_share_the_store(
    tmp_path: Path, box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A session without limits of its own sees and clears the marks of another one, and calls go on."""
    shared = SharedFile(tmp_path)
    pages = {"base_url": box.base_url}
    async with (
        wxcv.Session(credential, store=shared.open(), daily_limits=LIMITS, **pages) as session,
        wxcv.Session(credential, store=shared.open(), **pages) as other,
    ):
        for errcode, mark in ((101003, "is_market_spent"), (45009, "is_day_spent")):
            box.fail_next(COMM, Fault(errcode=errcode))
            for error in (wxcv.QuotaExhaustedError, wxcv.DailyLimitError):
                with pytest.raises(error):
                    await session.printed_text(BLANK)
            usage = await other.usage(wxcv.PRINTED_TEXT)
            marks = {"is_day_spent": usage.is_day_spent, "is_market_spent": usage.is_market_spent}
            assert marks.pop(mark)
            assert not any(marks.values())
            await other.clear_quota_marks(wxcv.PRINTED_TEXT)
        assert await session.usage(wxcv.PRINTED_TEXT) == wxcv.Usage(2, usage.resets_at)
    await shared.aclose()


async def test_the_day_begins_at_the_hour_of_the_limits(
    tmp_path: Path, credential: wxcv.AppCredential
) -> None:
    """usage() uses the reset_hour of the session's daily limits."""
    clock = wxcv.ManualClock(wall=NOON)
    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3}, reset_hour=14)
    async with (
        wxcv.SQLiteStore(tmp_path / "store.db", clock=clock) as store,
        wxcv.Session(credential, store=store, daily_limits=limits) as session,
    ):
        assert (await session.usage(wxcv.PRINTED_TEXT)).resets_at == NOON + 2 * 3600


async def test_marks_of_the_sessions_own_count_are_cleared_too(
    tmp_path: Path, box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """What was counted locally while the store failed is cleared with the marks of the store."""

    class Broken(wxcv.SQLiteStore):
        async def take(self, *_arguments: object, **_options: object) -> wxcv.Taken:
            raise wxcv.StoreError("the disk is full")

    limits = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 3}, without_store="count_locally")
    async with (
        Broken(tmp_path / "store.db") as store,
        wxcv.Session(credential, base_url=box.base_url, store=store, daily_limits=limits) as session,
    ):
        for errcode in (45009, 101003):
            box.fail_next(COMM, Fault(errcode=errcode))
            with pytest.raises(wxcv.QuotaExhaustedError):
                await session.printed_text(BLANK)
            await session.clear_quota_marks(wxcv.PRINTED_TEXT)
        assert box.requests[COMM] == 2


async def test_a_store_that_is_down_is_told() -> None:
    """Without its Redis neither the usage is known nor are marks cleared; a StoreError says so."""
    server = RedisServer()
    await server.start()
    try:
        async with (
            server.client() as redis,
            wxcv.Session(APP, store=wxcv.RedisStore(redis)) as session,
        ):
            assert (await session.usage(wxcv.PRINTED_TEXT)).count == 0
            await session.clear_quota_marks(wxcv.PRINTED_TEXT)
            await server.stop()
            for method in (session.usage, session.clear_quota_marks):
                with pytest.raises(wxcv.StoreError):
                    await method(wxcv.PRINTED_TEXT)
    finally:
        await server.aclose()
