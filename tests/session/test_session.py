"""A session from end to end, against a sandbox or a scripted server."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from redis.asyncio import Redis
from support import pictures
from support.servers import TOKEN, answer, api_server

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from wxcv.sandbox import Sandbox

LIMIT = 2 * 1024 * 1024
QR = "/cv/img/qrcode"
APP = wxcv.AppCredential("wx1", "MARKED-SECRET")


async def test_a_code_is_read_from_end_to_end(session: wxcv.Session) -> None:
    """A QR code drawn here comes back with its text, its corners and the size of its picture."""
    scan = await session.scan_qrcode(pictures.qr_png("https://example.com/42"))
    (code,) = scan.code_results

    assert (code.type_name, code.data) == ("QR_CODE", "https://example.com/42")
    assert code.pos is not None
    assert scan.img_size is not None
    assert 0 <= code.pos.left_top.x < code.pos.right_bottom.x <= scan.img_size.w


async def test_text_is_read_from_end_to_end(session: wxcv.Session) -> None:
    """Lines drawn here come back as text with their corners."""
    page = await session.printed_text(pictures.text_png(["HELLO WORLD", "2026"]))

    assert page.text.splitlines() == ["HELLO WORLD", "2026"]
    assert all(item.pos for item in page.items)


async def test_objects_that_wait_do_not_hold_up_files(session: wxcv.Session, tmp_path: Path) -> None:
    """A file is read while path objects of the caller's own wait; these see the context of their call."""
    path, go = tmp_path / "x.png", threading.Event()
    path.write_bytes(pictures.qr_png("same"))
    where: contextvars.ContextVar[Path] = contextvars.ContextVar("where")
    where.set(path)

    class Slow(os.PathLike[str]):
        def __fspath__(self) -> str:
            go.wait()
            return str(where.get())

    slow = [asyncio.create_task(session.scan_qrcode(Slow())) for _ in range(3)]
    scan = await session.scan_qrcode(path)
    go.set()

    assert [scan] * 3 == await asyncio.gather(*slow)


async def test_all_kinds_of_input_are_sent(session: wxcv.Session, box: Sandbox, tmp_path: Path) -> None:
    """Bytes, a path and a file object are uploaded as the same bytes under a name from their content."""
    picture = pictures.qr_png("same")
    path = tmp_path / "x.jpeg"
    path.write_bytes(picture)
    for image in (picture, path, str(path), io.BytesIO(picture)):
        assert (await session.scan_qrcode(image)).code_results[0].data == "same"

    uploads = [one for one in box.received if one.path == QR]
    assert {(one.filename, one.content_type, one.size, one.part_length) for one in uploads} == {
        ("image.png", "image/png", len(picture), len(picture))
    }
    assert len({one.sha256 for one in uploads}) == 1


async def test_one_byte_less_than_two_megabytes_is_sent_and_no_more(
    session: wxcv.Session, box: Sandbox
) -> None:
    """2,097,151 bytes reach the server; 2,097,152 are refused here and the server sees no request."""
    scan = await session.scan_qrcode(pictures.padded_png(LIMIT - 1))
    assert scan.code_results == ()
    assert box.requests[QR] == 1

    with pytest.raises(wxcv.ImageTooLargeError) as caught:
        await session.scan_qrcode(pictures.padded_png(LIMIT))
    assert box.requests[QR] == 1
    assert caught.value.sends == 0


async def test_a_refused_image_costs_neither_token_nor_call(session: wxcv.Session, box: Sandbox) -> None:
    """An image that is refused here asks for no token and sends nothing."""
    for image in (b"", b"text", "missing.png", "ftp://example.com/a.png"):
        with pytest.raises(wxcv.ImageError):
            await session.scan_qrcode(image)

    assert not box.requests
    assert not box.tokens_issued


async def test_one_token_serves_many_calls(session: wxcv.Session, box: Sandbox) -> None:
    """Twenty calls at once need one token."""
    picture = pictures.qr_png("x")
    await asyncio.gather(*(session.scan_qrcode(picture) for _ in range(20)))

    assert box.requests[QR] == 20
    assert sum(box.tokens_issued.values()) == 1


async def test_a_url_is_fetched_by_the_server() -> None:
    """An image URL is handed on, and the server fetches it."""
    from wxcv.sandbox import Sandbox

    async def serve(_request: web.Request) -> web.StreamResponse:
        return aiohttp.web.Response(body=pictures.qr_png("by url"), content_type="image/png")

    async with (
        api_server(serve) as pictures_url,
        Sandbox(allow_loopback=True) as box,
        wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url) as session,
    ):
        scan = await session.scan_qrcode(f"{pictures_url}/cv/a/b?x=1&y=%20")

    assert scan.code_results[0].data == "by url"


async def test_a_loopback_url_is_refused_by_default(session: wxcv.Session) -> None:
    """A sandbox without its switch does not fetch from this machine, and the error is WeChat's."""
    with pytest.raises(wxcv.ImageUrlRejectedError) as caught:
        await session.scan_qrcode("http://127.0.0.1:9/a.png")

    assert caught.value.errcode == 101000
    assert caught.value.rid


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_renewed_once_and_the_same_bytes_go_again(errcode: int) -> None:
    """One refusal of the token costs one new token and one more send of exactly the same body."""
    bodies: list[tuple[str, bytes]] = []
    mints = 0

    async def call(request: web.Request) -> web.StreamResponse:
        bodies.append((request.query["access_token"], await request.read()))
        return (
            answer(errcode=errcode, errmsg="no") if len(bodies) == 1 else answer(errcode=0, code_results=[])
        )

    async def mint(_request: web.Request) -> web.StreamResponse:
        nonlocal mints
        mints += 1
        return answer(access_token=f"T{mints}", expires_in=7200)

    async with api_server(call, mint) as url, wxcv.Session(APP, base_url=url) as session:
        await session.scan_qrcode(pictures.qr_png("x"))

    assert [token for token, _ in bodies] == ["T1", "T2"]
    assert bodies[0][1] == bodies[1][1]
    assert mints == 2


async def test_a_token_that_is_always_refused_ends_after_two_sends() -> None:
    """If the new token is refused too, the call ends in TokenRejectedError after two sends."""
    sends = mints = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sends
        await request.read()
        sends += 1
        return answer(errcode=40001, errmsg="invalid credential")

    async def mint(_request: web.Request) -> web.StreamResponse:
        nonlocal mints
        mints += 1
        return answer(access_token=f"T{mints}", expires_in=7200)

    async with api_server(call, mint) as url, wxcv.Session(APP, base_url=url) as session:
        with pytest.raises(wxcv.TokenRejectedError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert (sends, mints, caught.value.sends) == (2, 2, 2)
    assert caught.value.elapsed > 0


async def test_a_missing_token_code_is_not_repeated() -> None:
    """41001, which no new token mends, is not sent again."""
    sends = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sends
        await request.read()
        sends += 1
        return answer(errcode=41001, errmsg="access_token missing")

    async with api_server(call) as url, wxcv.Session(APP, base_url=url) as session:
        with pytest.raises(wxcv.TokenRejectedError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert sends == 1


async def test_a_wrong_secret_is_told(box: Sandbox) -> None:
    """A wrong secret is a CredentialRejectedError from the token call, and no image leaves."""
    async with wxcv.Session(wxcv.AppCredential(box.appid, "0" * 32), base_url=box.base_url) as session:
        with pytest.raises(wxcv.CredentialRejectedError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert caught.value.errcode == 40125
    assert caught.value.sends == 0
    assert box.requests[QR] == 0


async def test_no_more_calls_run_than_the_concurrency() -> None:
    """With three slots, never more than three uploads are at the server."""
    now = most = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await request.read()
        await asyncio.sleep(0.005)
        now -= 1
        return answer(errcode=0, code_results=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=3) as session:
        await asyncio.gather(*(session.scan_qrcode(pictures.qr_png("x")) for _ in range(12)))

    assert most == 3


async def test_cold_callers_do_not_deadlock_on_their_slots() -> None:
    """With one slot, a call whose token must be fetched first still ends."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, items=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=1) as session:
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(session.printed_text(pictures.qr_png("x")) for _ in range(5)))

    assert answers == [wxcv.PrintedText()] * 5


async def test_call_timeout_ends_a_call_and_says_that_it_was_sent() -> None:
    """A call over its deadline is a CallTimeoutError whose sends tell that WeChat may have counted it."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, call_timeout=0.2) as session:
        with pytest.raises(wxcv.CallTimeoutError, match=r"within 0\.2 s") as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert caught.value.sends == 1


async def test_a_cancelled_call_leaves_the_session_usable(session: wxcv.Session) -> None:
    """Cancelling a call raises CancelledError there and changes nothing for the next one."""
    task = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await session.scan_qrcode(pictures.qr_png("next"))).code_results[0].data == "next"


async def test_every_attempt_is_told_to_on_send() -> None:
    """on_attempt hears of each attempt: path, number, status, errcode, bytes and seconds."""
    events: list[wxcv.AttemptEvent] = []
    picture = pictures.qr_png("x")

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0 if len(events) else 42001, errmsg="expired", code_results=[])

    async def mint(_request: web.Request) -> web.StreamResponse:
        return answer(access_token=f"T{len(events)}", expires_in=7200)

    async with (
        api_server(call, mint) as url,
        wxcv.Session(APP, base_url=url, on_attempt=events.append) as session,
    ):
        await session.scan_qrcode(picture)

    assert [(e.path, e.attempt, e.status, e.errcode, e.bytes) for e in events] == [
        (QR, 1, 200, 42001, len(picture)),
        (QR, 2, 200, 0, len(picture)),
    ]
    assert all(event.seconds > 0 for event in events)


async def test_an_attempt_without_answer_is_told_too() -> None:
    """on_attempt hears of an attempt that failed on the way, without status and errcode."""
    events: list[wxcv.AttemptEvent] = []

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return answer()

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, on_attempt=events.append) as session:
        with pytest.raises(wxcv.AnswerLostError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert [(event.attempt, event.status, event.errcode) for event in events] == [
        (1, None, None),
        (2, None, None),
    ]


async def test_a_hook_that_raises_does_not_harm_the_call(
    box: Sandbox, credential: wxcv.AppCredential, caplog: pytest.LogCaptureFixture
) -> None:
    """What on_attempt raises is logged, and the answer is given all the same."""

    def fail(_event: wxcv.AttemptEvent) -> None:
        raise ZeroDivisionError

    async with wxcv.Session(credential, base_url=box.base_url, on_attempt=fail) as session:
        assert (await session.scan_qrcode(pictures.qr_png("x"))).code_results

    assert "on_attempt raised" in caplog.text


async def test_attempts_are_logged_at_debug(session: wxcv.Session, caplog: pytest.LogCaptureFixture) -> None:
    """The logger wxcv tells of each attempt at DEBUG, without the token."""
    with caplog.at_level(logging.DEBUG, "wxcv"):
        await session.scan_qrcode(pictures.qr_png("x"))

    (record,) = [one for one in caplog.records if one.name == "wxcv"]
    assert QR in record.getMessage()
    assert "token" not in record.getMessage()


async def test_a_closed_session_refuses_calls(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A call on a closed session is a SessionClosedError, and closing twice is allowed."""
    session = wxcv.Session(credential, base_url=box.base_url)
    async with session:
        await session.scan_qrcode(pictures.qr_png("x"))
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await session.scan_qrcode(pictures.qr_png("x"))


async def test_closing_lets_calls_in_flight_finish() -> None:
    """A call in flight within the grace ends with its answer."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        arrived.set()
        await go.wait()
        return answer(errcode=0, code_results=[])

    async with api_server(call) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        go.set()

        assert (await running).code_results == ()
        await closing


async def test_closing_ends_calls_after_the_grace_and_a_refresh_in_flight() -> None:
    """Without grace, a call that waits for a token ends in SessionClosedError and no task is left."""
    asked = asyncio.Event()

    async def mint(_request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(mint, mint) as url:
        before = asyncio.all_tasks()
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await asked.wait()
        await session.aclose(grace=0)
        with pytest.raises(wxcv.SessionClosedError):
            await running

        assert not [task for task in asyncio.all_tasks() - before if "wxcv" in task.get_name()]


async def test_a_borrowed_http_session_stays_open(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A session over a caller's own ClientSession works and leaves it open."""
    async with aiohttp.ClientSession() as http:
        async with wxcv.Session(credential, base_url=box.base_url, http=http) as session:
            await session.scan_qrcode(pictures.qr_png("x"))
        assert not http.closed


async def test_sessions_can_share_their_tokens(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """Two sessions with one TokenCache need one token, also after the first was closed."""
    tokens = wxcv.TokenCache()
    for _ in range(2):
        async with wxcv.Session(credential, base_url=box.base_url, tokens=tokens) as session:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert sum(box.tokens_issued.values()) == 1


async def test_from_env_takes_the_variables(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """from_env needs WXCV_APPID and WXCV_SECRET and takes WXCV_BASE_URL."""
    monkeypatch.setenv("WXCV_APPID", box.appid)
    monkeypatch.setenv("WXCV_SECRET", box.secret)
    monkeypatch.setenv("WXCV_BASE_URL", box.base_url)
    async with wxcv.Session.from_env(concurrency=2) as session:
        assert (await session.scan_qrcode(pictures.qr_png("x"))).code_results


def test_from_env_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """from_env without its variables names those that are missing."""
    monkeypatch.delenv("WXCV_APPID", raising=False)
    monkeypatch.setenv("WXCV_SECRET", "MARKED")
    with pytest.raises(ValueError, match="WXCV_APPID") as caught:
        wxcv.Session.from_env()

    assert "MARKED" not in str(caught.value)
    assert "WXCV_SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WXCV_SECRET", "MARKED\n"),
        ("WXCV_APPID", "MARKED id"),
        ("WXCV_BASE_URL", "https://host/path"),
        ("WXCV_ACCESS_TOKEN", "MARKED\n"),
    ],
)
def test_from_env_names_the_variable_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable with a value that cannot be used is named, and its value is not shown."""
    fixed = {} if name == "WXCV_ACCESS_TOKEN" else {"WXCV_APPID": "wx1", "WXCV_SECRET": "s"}
    for variable, text in {**fixed, name: value}.items():
        monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=f"^{name} must") as caught:
        wxcv.Session.from_env()

    assert "MARKED" not in str(caught.value)


async def test_closing_that_is_cancelled_closes_all_the_same() -> None:
    """If aclose is cancelled while it waits for a call, the call is ended and the HTTP session closed."""
    arrived = asyncio.Event()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(call) as url:
        session = wxcv.Session(APP, base_url=url)
        running = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
        await arrived.wait()
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        with pytest.raises(wxcv.SessionClosedError):
            await running

        assert session._state.transport._http is not None
        assert session._state.transport._http.closed


def test_a_session_of_an_ended_loop_is_told() -> None:
    """A session used in a second event loop is a SessionClosedError that says so."""
    session = wxcv.Session(wxcv.StaticTokenCredential("t"), base_url="http://127.0.0.1:9")

    async def use() -> str:
        with pytest.raises(wxcv.WxcvError) as caught:
            await session.scan_qrcode(pictures.qr_png("x"))
        return str(caught.value)

    async def use_and_close() -> str:
        said = await use()
        assert session._state.transport._http is not None
        await session._state.transport._http.close()
        return said

    assert "cannot reach" in asyncio.run(use_and_close())
    assert "another event loop" in asyncio.run(use())


async def test_a_trace_hook_that_raises_is_no_storm() -> None:
    """What a borrowed session's trace hook raises is an error of ours, after three tries for a token."""
    mints = 0

    async def mint(_request: web.Request) -> web.StreamResponse:
        nonlocal mints
        mints += 1
        return answer(access_token=TOKEN, expires_in=7200)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(broken)
    async with (
        api_server(mint, mint) as url,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        wxcv.Session(APP, base_url=url, http=http) as session,
    ):
        with pytest.raises(wxcv.AnswerLostError, match="ZeroDivisionError"):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert mints == 3


async def test_sessions_have_tokens_and_store_from_one_place() -> None:
    """A store beside a shared TokenCache is refused, as the cache has its own."""
    with pytest.raises(ValueError, match="store"):
        wxcv.Session(APP, tokens=wxcv.TokenCache(), store=wxcv.RedisStore(Redis()))


async def test_a_dead_stable_token_is_healed_by_one_forced_refresh(
    box: Sandbox, session: wxcv.Session
) -> None:
    """A stable token that is dead but still handed out is replaced by exactly one forced refresh."""
    box.revoke((await session.token()).value)
    scans = await asyncio.gather(*(session.scan_qrcode(pictures.qr_png("x")) for _ in range(8)))

    assert all(scan.code_results for scan in scans)
    assert box.tokens_issued["stable"] == 2


async def test_a_second_dead_token_within_half_a_minute_is_told(box: Sandbox, session: wxcv.Session) -> None:
    """A second dead token within 30 s of a forced refresh ends in TokenRejectedError and forces nothing."""
    for expected in (True, False):
        box.revoke((await session.token()).value)
        if expected:
            await session.scan_qrcode(pictures.qr_png("x"))
    for _ in range(5):
        with pytest.raises(wxcv.TokenRejectedError):
            await session.scan_qrcode(pictures.qr_png("x"))

    assert box.tokens_issued["stable"] == 2


async def test_an_operator_can_drop_a_token(box: Sandbox, session: wxcv.Session) -> None:
    """invalidate_token drops the living token, and the next call has another, by force."""
    session.invalidate_token()
    old = await session.token()
    session.invalidate_token()
    new = await session.token()

    assert (old.kind, new.kind, box.tokens_issued["stable"]) == ("stable", "stable", 2)
    assert old.value != new.value
    assert 0 < new.expires_in <= 7200


async def test_trust_env_belongs_to_the_borrowed_session() -> None:
    """trust_env together with a borrowed session is refused, as it would have no effect."""
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ValueError, match="trust_env"):
            wxcv.Session(APP, http=http, trust_env=True)


def test_a_session_can_be_made_outside_an_event_loop() -> None:
    """Making a Session needs no running loop, and its repr tells the account without the secret."""
    session = wxcv.Session(APP)

    assert "wx1" in repr(session)
    assert "MARKED" not in repr(session)


async def test_fields_are_checked_before_anything_is_sent(session: wxcv.Session, box: Sandbox) -> None:
    """A field that the endpoint does not know is refused by name and nothing is sent."""
    with pytest.raises(ValueError, match="ratios"):
        await session.call(wxcv.SCAN_QRCODE, pictures.qr_png("x"), fields={"ratios": "1"})

    assert not box.requests


async def test_no_token_is_spent_on_text_of_html() -> None:
    """HTML from a captive portal is a ProtocolError, and the token is kept."""
    mints = 0

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return aiohttp.web.Response(text="<html>sign in</html>", content_type="text/html")

    async def mint(_request: web.Request) -> web.StreamResponse:
        nonlocal mints
        mints += 1
        return answer(access_token=TOKEN, expires_in=7200)

    async with api_server(call, mint) as url, wxcv.Session(APP, base_url=url) as session:
        for _ in range(2):
            with pytest.raises(wxcv.ProtocolError):
                await session.scan_qrcode(pictures.qr_png("x"))

    assert mints == 1


async def test_an_answer_has_the_type_of_its_endpoint(session: wxcv.Session) -> None:
    """call() with an endpoint gives that endpoint's answer class."""
    answers: list[Any] = [
        await session.call(endpoint, pictures.qr_png("x"))
        for endpoint in (wxcv.SCAN_QRCODE, wxcv.PRINTED_TEXT)
    ]

    assert [type(one) for one in answers] == [wxcv.QrcodeScan, wxcv.PrintedText]
