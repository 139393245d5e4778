"""Other hosts of the API: a request moves on to them only if nothing of it was sent."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from support.accounts import STATIC
from support.hosts import Peer, name, peer, revived
from support.pages import QRCODE
from support.pictures import PICTURE
from support.raw_calls import until
from support.servers import api_server, http_answer, raw_server

import wxcv
from wxcv.calls.hosts import limit_connect_timeout

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox

ONCE = wxcv.RetryPolicy(attempts=1)


def session(main: Peer, *others: Peer, **options: object) -> wxcv.Session:
    """Make a session of these hosts."""
    urls = [other.url for other in others]
    given = {"retries": ONCE, "attempt_timeout": 1.0, "credential": STATIC, **options}
    return wxcv.Session(base_url=main.url, fallback_urls=urls, **given)  # type: ignore[arg-type] # as given


UNSENT = ["refuses", "closes the handshake", "ignores the handshake", "does not accept"]


@pytest.mark.parametrize("fault", UNSENT)
async def test_a_call_of_which_nothing_was_sent_moves_on(fault: str) -> None:
    """If a host cannot be reached, the next one answers the same attempt, and the next call starts there."""
    events: list[wxcv.AttemptEvent] = []
    async with (
        peer(fault) as main,
        peer() as other,
        session(main, other, attempt_timeout=0.3, on_attempt=events.append) as opened,
    ):
        await opened.scan_qrcode(PICTURE)
        connections = main.connections
        await opened.scan_qrcode(PICTURE)
        await opened.printed_text(PICTURE)

        assert main.connections == connections
        assert (main.bodies, other.bodies, opened.stats().sends) == (0, len(events), len(events))
        assert {(event.status, event.base_url) for event in events} == {(200, other.url)}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("resets", wxcv.AnswerLostError),
        ("hangs", wxcv.CallTimeoutError),
        ("502 Bad Gateway", wxcv.ProtocolError),
        ("404 Not Found", wxcv.ProtocolError),
    ],
)
async def test_a_call_that_was_sent_does_not_move_on(fault: str, error: type[wxcv.WxcvError]) -> None:
    """A failure after the body was begun ends the call with the error of that host, after one send."""
    async with peer(fault) as main, peer() as other, session(main, other, attempt_timeout=0.3) as opened:
        for _ in range(2):
            with pytest.raises(error) as caught:
                await opened.scan_qrcode(PICTURE)
            assert caught.value.sends == 1

        assert (main.bodies, other.bodies, opened.stats().sends) == (2, 0, 2)


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("fault", ["refuses", "ignores the handshake"])
async def test_a_token_request_moves_on_and_is_made_once(box: Sandbox, fault: str, stable: bool) -> None:
    """One token is fetched from the host that can be reached, and one refresh is counted."""
    credential = wxcv.AppCredential(box.appid, box.secret, stable=stable)
    async with (
        peer(fault) as main,
        wxcv.Session(
            credential, base_url=main.url, fallback_urls=[box.base_url], attempt_timeout=0.3, retries=ONCE
        ) as opened,
    ):
        await opened.scan_qrcode(PICTURE)

        assert sum(box.tokens_issued.values()) == 1
        assert (opened.stats().refreshes, opened.stats().sends, box.requests[QRCODE]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("call_timeout", "fallbacks", "seconds"),
    [(60, 0, 5), (1, 0, 5), (60, 1, 5), (6, 1, 2), (60, 3, 2.5), (5, 3, 1)],
)
def test_there_is_time_to_connect_to_every_host(call_timeout: float, fallbacks: int, seconds: float) -> None:
    """Connecting takes 5 s at most, or what leaves a call and a refresh (10 s) time for every host."""
    assert limit_connect_timeout(call_timeout, fallbacks) == seconds


async def test_a_short_call_timeout_leaves_time_for_the_next_host() -> None:
    """With a call_timeout shorter than the usual time for a connection, a call still moves on within it."""
    async with (
        peer("ignores the handshake") as main,
        peer() as other,
        session(main, other, attempt_timeout=30.0, call_timeout=1.2) as opened,
    ):
        await opened.scan_qrcode(PICTURE)

        assert other.bodies == 1


async def test_a_caller_with_a_short_timeout_gets_past_a_host_that_hangs() -> None:
    """If a call is cancelled while a host is slow to connect, the next call goes to another host."""
    async with peer("ignores the handshake") as main, peer() as other, session(main, other) as opened:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await opened.scan_qrcode(PICTURE)
        await opened.scan_qrcode(PICTURE)

        assert (main.connections, other.bodies) == (1, 1)


async def test_a_call_that_was_sent_and_cancelled_is_no_failure_of_the_host() -> None:
    """If a call is cancelled while it waits for the answer, its host stays in use."""
    async with peer() as main, peer() as other, session(main, other, attempt_timeout=0.3) as opened:
        main.may_answer.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await opened.scan_qrcode(PICTURE)
        main.may_answer.set()
        await opened.scan_qrcode(PICTURE)

        assert (main.bodies, other.bodies) == (2, 0)


async def test_a_call_that_is_cancelled_at_once_is_no_failure_of_the_host() -> None:
    """If a call is cancelled when it has only begun to connect, its host stays in use."""
    async with peer("ignores the handshake") as main, peer() as other, session(main, other) as opened:
        for number in (1, 2):
            task = asyncio.create_task(opened.scan_qrcode(PICTURE))
            await until(lambda number=number: main.connections == number)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert other.bodies == 0


async def test_the_main_host_is_returned_to_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A host that failed is not used for 60 s and then used again, and both are logged."""
    clock = wxcv.ManualClock()
    async with peer("refuses") as main, peer() as other, session(main, other, clock=clock) as opened:
        with caplog.at_level(logging.INFO, "wxcv"):
            await opened.scan_qrcode(PICTURE)
            async with revived(main) as again:
                for seconds, at_main in ((59.9, 0), (0.1, 1), (0.0, 2)):
                    clock.advance(seconds)
                    await opened.scan_qrcode(PICTURE)
                    assert again.bodies == at_main

    assert other.bodies == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{name(main)} cannot be reached; it is not used for 60 s",
        f"{name(main)} can be reached again",
    ]


async def test_one_call_tries_a_host_that_failed() -> None:
    """After 60 s one of many calls tries the host; the others use the next one until it has answered."""
    clock = wxcv.ManualClock()
    async with (
        peer("refuses") as main,
        peer() as other,
        session(main, other, clock=clock, concurrency=20, attempt_timeout=30.0) as opened,
    ):
        await opened.scan_qrcode(PICTURE)
        async with revived(main) as again:
            again.may_answer.clear()
            clock.advance(60)
            probe, *rest = (asyncio.create_task(opened.scan_qrcode(PICTURE)) for _ in range(20))
            await asyncio.gather(*rest)

            assert (again.bodies, other.bodies, probe.done()) == (1, 20, False)
            again.may_answer.set()
            await probe
            await opened.scan_qrcode(PICTURE)
            assert (again.bodies, other.bodies) == (2, 20)


async def test_a_host_that_fails_again_is_left_alone_for_another_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failed probe costs one connection a minute, and no call; an outage is logged once."""
    clock = wxcv.ManualClock()
    async with (
        peer("closes the handshake") as main,
        peer() as other,
        session(main, other, clock=clock) as opened,
    ):
        connections = []
        for seconds in (0, 59, 1, 0, 59, 1, 0):
            clock.advance(seconds)
            await opened.scan_qrcode(PICTURE)
            connections.append(main.connections)

        assert connections == [1, 1, 2, 2, 2, 3, 3]
        assert (other.bodies, len(caplog.records)) == (7, 1)


@pytest.mark.parametrize("ending", ["502", "cancelled"])
async def test_a_probe_without_an_answer_is_no_return(ending: str) -> None:
    """A host whose probe ends with a server error, or is cancelled, is not used for another 60 s."""
    clock = wxcv.ManualClock()
    async with (
        peer("refuses") as main,
        peer() as other,
        session(main, other, clock=clock, attempt_timeout=30.0) as opened,
    ):
        await opened.scan_qrcode(PICTURE)
        clock.advance(60)
        async with revived(main, ending if ending == "502" else "") as again:
            again.may_answer.clear()
            probe = asyncio.create_task(opened.scan_qrcode(PICTURE))
            await until(lambda: again.bodies)
            if ending == "cancelled":
                probe.cancel()
            again.may_answer.set()
            with pytest.raises((wxcv.WxcvError, asyncio.CancelledError)):
                await probe
            await opened.scan_qrcode(PICTURE)
            assert (again.bodies, other.bodies) == (1, 2)


async def test_if_no_host_can_be_reached_the_main_one_is_tried_every_time() -> None:
    """The error is the main host's and names the others; every call is tried, and none is sent."""
    async with peer("closes the handshake") as main, peer("refuses") as second, peer("refuses") as third:
        async with session(main, second, third) as opened:
            with pytest.raises(wxcv.ConnectError) as caught:
                await opened.scan_qrcode(PICTURE)
            with pytest.raises(wxcv.ConnectError) as again:
                await opened.scan_qrcode(PICTURE)

    assert str(caught.value).startswith(
        f"image of {len(PICTURE)} bytes: cannot reach {name(main)}, nothing was sent (Client"
    )
    assert str(caught.value).endswith(f"; nor can {name(second)} or {name(third)} be reached")
    assert (main.connections, caught.value.sends, caught.value.errno) == (2, 0, again.value.errno)


async def test_a_main_host_that_is_left_alone_is_tried_before_a_call_fails() -> None:
    """If the other host fails while the main one is paused, the call goes to the main one after all."""
    async with peer("refuses") as main, AsyncExitStack() as stack:
        other = await stack.enter_async_context(peer())
        async with session(main, other) as opened:
            await opened.scan_qrcode(PICTURE)
            await stack.aclose()
            with pytest.raises(wxcv.ConnectError) as caught:
                await opened.scan_qrcode(PICTURE)
            async with revived(main) as again:
                await opened.scan_qrcode(PICTURE)

    assert f"cannot reach {name(main)}, " in str(caught.value)
    assert str(caught.value).endswith(f"; nor can {name(other)} be reached")
    assert (other.bodies, again.bodies) == (1, 1)


@pytest.mark.parametrize("status", ["404 Not Found", "200 OK, errcode 40066"])
async def test_a_fallback_that_does_not_know_the_path_is_not_used_again(
    status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP 404 or errcode 40066 ends the call after one send; the host is not used again, which is logged."""
    clock = wxcv.ManualClock()
    async with peer("refuses") as main, peer(status) as other, session(main, other, clock=clock) as opened:
        with pytest.raises(
            (wxcv.APIError, wxcv.ProtocolError), match=r"path is unknown|status 404"
        ) as caught:
            await opened.scan_qrcode(PICTURE)
        for _ in range(2):
            clock.advance(100)
            with pytest.raises(wxcv.ConnectError):
                await opened.scan_qrcode(PICTURE)

    assert (caught.value.sends, other.bodies) == (1, 1)
    expected = f"{name(other)} does not know {QRCODE}; it is not used again in this session"
    assert [record.getMessage() for record in caplog.records].count(expected) == 1


async def test_the_main_host_is_never_dropped() -> None:
    """A main host that answers 40066 is used by the next call, too."""
    async with peer("200 OK, errcode 40066") as main, peer() as other, session(main, other) as opened:
        for _ in range(2):
            with pytest.raises(wxcv.APIError):
                await opened.scan_qrcode(PICTURE)

    assert (main.bodies, other.bodies) == (2, 0)


async def test_a_code_that_holds_40066_is_no_refusal() -> None:
    """Only WeChat's errcode counts, not what is in a picture or what cannot be read."""
    for body in (b'{"errcode":0,"code_results":[{"type_name":"QR","data":"40066"}]}', b"40066", b"[40066]"):

        async def call(_request: web.Request, body: bytes = body) -> web.Response:
            return web.Response(body=body)

        async with peer("refuses") as main, api_server(call) as url:
            async with wxcv.Session(STATIC, base_url=main.url, fallback_urls=[url], retries=ONCE) as opened:
                for _ in range(2):
                    outcomes = [one async for one in opened.batch(wxcv.SCAN_QRCODE, [PICTURE])]
                    assert not isinstance(outcomes[0].error, wxcv.ConnectError)
                    assert outcomes[0].sends == 1


@pytest.mark.parametrize("given_by", ["session", "environment", "borrowed session"])
@pytest.mark.parametrize("fault", ["refuses", "closes", "ignores", "407 Proxy Authentication Required"])
async def test_a_failing_proxy_is_no_failing_host(
    fault: str, given_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure at the proxy ends the call, and the next call goes to the main host again."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        if fault == "ignores":
            await asyncio.Event().wait()
        if fault != "closes":
            writer.write(http_answer(b"", fault))
            await writer.drain()

    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(raw_server(serve))
        if fault == "refuses":
            await stack.aclose()
        options: dict[str, object] = {"attempt_timeout": 0.2, "retries": ONCE}
        if given_by == "session":
            options["proxy"] = proxy
        elif given_by == "environment":
            monkeypatch.setenv("https_proxy", proxy)
            options["trust_env"] = True
        else:
            options["http"] = await stack.enter_async_context(aiohttp.ClientSession(proxy=proxy))
        urls = {"base_url": "https://main.invalid", "fallback_urls": ["https://other.invalid"]}
        async with wxcv.Session(STATIC, **urls, **options) as opened:  # type: ignore[arg-type] # as given
            with pytest.raises((TimeoutError, wxcv.ConnectError)):
                async with asyncio.timeout(0.15):
                    await opened.scan_qrcode(PICTURE)
            for _ in range(2):
                with pytest.raises(wxcv.ConnectError, match=r"main\.invalid") as caught:
                    await opened.scan_qrcode(PICTURE)
                assert "other" not in str(caught.value)

    assert asked == [b"main.invalid:443"] * (0 if fault == "refuses" else 3)


async def test_a_host_that_fails_behind_a_proxy_is_left_alone() -> None:
    """If the proxy connects and the host then closes the TLS handshake, it is the host that failed."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()

    async with (
        raw_server(serve) as proxy,
        wxcv.Session(
            STATIC,
            base_url="https://main.invalid",
            fallback_urls=["https://other.invalid"],
            proxy=proxy,
            retries=ONCE,
        ) as opened,
    ):
        with pytest.raises(wxcv.ConnectError, match=r"main\.invalid.* nor can other\.invalid"):
            await opened.scan_qrcode(PICTURE)

    assert asked == [b"main.invalid:443", b"other.invalid:443"]


async def test_cloud_hostings_relay_has_no_other_hosts() -> None:
    """A CloudRelayCredential is refused with fallback_urls, also as another account of a session."""
    relay = wxcv.CloudRelayCredential()
    with pytest.raises(ValueError, match="fallback_urls cannot be used with CloudRelayCredential"):
        wxcv.Session(relay, fallback_urls=wxcv.FALLBACK_URLS)
    async with wxcv.Session(STATIC, fallback_urls=wxcv.FALLBACK_URLS) as opened:
        with pytest.raises(ValueError, match="fallback_urls cannot be used with CloudRelayCredential"):
            opened.on_behalf_of(relay)
    async with wxcv.Session(STATIC) as opened:
        assert opened.on_behalf_of(relay)
