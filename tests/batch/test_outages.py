"""A server that cannot be reached costs no image, and no error says more than is true."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from support.accounts import QUICK, STATIC, TOKEN
from support.pictures import PICTURE
from support.servers import answer, api_server, http_answer, read_request

import wxcv
from wxcv.batch.outages import OutageDetector
from wxcv.calls.reports import CallReport, CallResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


@asynccontextmanager
async def running(clock: wxcv.ManualClock) -> AsyncIterator[None]:
    """Let a clock run, a hundred times as fast as the real one or faster."""

    async def run() -> None:
        while True:
            clock.advance(0.05)
            await asyncio.sleep(0)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()


async def read_all(request: web.Request) -> web.StreamResponse:
    """Answer a call."""
    await request.read()
    return answer(errcode=0, code_results=[])


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("seconds", [1.0, 8.0, 50.0])
async def test_an_outage_within_the_patience_costs_no_image(seconds: float) -> None:
    """A server that comes back within call_timeout is sent every image; none is failed."""
    clock, port, attempts = wxcv.ManualClock(), free_port(), []
    async with running(clock):
        session = wxcv.Session(
            STATIC,
            base_url=f"http://127.0.0.1:{port}",
            clock=clock,
            retries=QUICK,
            on_attempt=attempts.append,
        )
        async with session, session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100) as batch:
            collecting = asyncio.create_task(_collect(batch))
            while clock.monotonic() < seconds:
                await asyncio.sleep(0)
            assert not collecting.done()
            async with api_server(read_all, port=port):
                outcomes = await collecting

    assert Counter(outcome.status for outcome in outcomes) == {"ok": 100}
    assert {outcome.sends for outcome in outcomes} == {1}
    assert len(attempts) < 100 + 8 * 3 * (seconds / 5 + 12)  # they are spaced, at most 5 s apart


async def _collect(batch: wxcv.Batch[bytes, wxcv.QrcodeScan]) -> list[wxcv.Outcome[bytes, wxcv.QrcodeScan]]:
    return [outcome async for outcome in batch]


async def test_an_outage_beyond_the_patience_gives_all_images_back() -> None:
    """A server that stays away for call_timeout ends the batch: every image is not_sent."""
    clock = wxcv.ManualClock()
    url = f"http://127.0.0.1:{free_port()}"
    async with running(clock), wxcv.Session(STATIC, base_url=url, clock=clock, retries=QUICK) as session:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100) as batch:
            outcomes = await _collect(batch)

    assert {(one.status, one.sends, type(one.error)) for one in outcomes} == {
        ("not_sent", 0, wxcv.ConnectError)
    }
    assert 60.0 <= clock.monotonic() < 75.0


def result(error: wxcv.WxcvError | None, **report: object) -> CallResult[int]:
    """Return what a call made of an image."""
    return CallResult(None if error else 1, error, CallReport(**report))  # type: ignore[arg-type]


DOWN = wxcv.ConnectError("down")


@pytest.mark.parametrize(
    ("error", "report", "is_outage"),
    [
        (DOWN, {}, True),
        (wxcv.StoreError("down"), {}, True),
        (wxcv.StoreError("down"), {"sends": 1}, False),
        (wxcv.AnswerLostError("lost"), {"sends": 1, "unanswered": 1}, False),
        (wxcv.CallTimeoutError("slow"), {}, False),
        (wxcv.CallTimeoutError("slow"), {"sends": 1, "unanswered": 1}, False),
        (wxcv.ProtocolError("bad", status=503), {"sends": 3}, False),
        (wxcv.EmptyImageError("a", "b"), {}, False),
        (None, {"sends": 1}, False),
        (DOWN, {"is_waiting_for_token": True}, True),
        (wxcv.StoreError("down"), {"is_waiting_for_token": True}, True),
        (wxcv.ConnectError("down"), {"is_waiting_for_token": True, "sends": 1}, True),
        (wxcv.ConnectError("down"), {"is_waiting_for_token": True, "sends": 1, "unanswered": 1}, False),
        (wxcv.CredentialRejectedError(40125, "no"), {"is_waiting_for_token": True}, False),
    ],
)
def test_only_what_was_not_sent_is_an_outage(
    error: wxcv.WxcvError | None, report: dict[str, object], is_outage: bool
) -> None:
    """An image is tried again later if nothing of it was sent because of the network, a store or tokens."""
    outages = OutageDetector(wxcv.ManualClock(), 60.0, lambda: 3.0)

    assert (outages.retry_delay(result(error, **report)) is not None) is is_outage


def test_the_delay_grows_with_the_outage_and_ends_with_the_patience() -> None:
    """Half of the outage so far, from 0.2 s to 5 s, and no longer than patience lasts; an answer ends it."""
    clock = wxcv.ManualClock()
    outages = OutageDetector(clock, 20.0, lambda: 0.0)
    delays: list[float] = []
    while clock.monotonic() < 20.0:
        delays.append(outages.retry_delay(result(DOWN)) or 0.0)
        clock.advance(delays[-1])
        assert outages.is_over is (clock.monotonic() >= 20.0)
        assert len(delays) < 20

    assert delays[:3] == [0.2, 0.2, 0.2]
    assert max(delays) == 5.0
    assert sum(delays) == pytest.approx(20.0)
    outages.retry_delay(result(None, sends=1))
    assert not outages.is_over
    assert outages.retry_delay(result(DOWN)) == 0.2


def test_patience_lasts_to_its_last_moment() -> None:
    """Patience is over when its seconds have passed, and not earlier."""
    clock = wxcv.ManualClock()
    outages = OutageDetector(clock, 20.0, lambda: 0.0)
    outages.retry_delay(result(DOWN))
    over = []
    for seconds in (19.5, 0.25, 0.25, 0.25):
        clock.advance(seconds)
        over.append((outages.is_over, outages.is_patience_over(0.0)))

    assert over == [(False, False), (False, False), (True, True), (True, True)]


def test_while_tokens_are_backed_off_the_delay_is_theirs() -> None:
    """An image that waits for a token is tried again when a token may be fetched again."""
    outages = OutageDetector(wxcv.ManualClock(), 60.0, lambda: 7.0)

    assert outages.retry_delay(result(DOWN, is_waiting_for_token=True)) == 7.0
    at_once = OutageDetector(wxcv.ManualClock(), 60.0, lambda: 0.0)
    assert at_once.retry_delay(result(DOWN, is_waiting_for_token=True)) == 0.01


@pytest.mark.parametrize(
    "first", [b"", http_answer(b"", "503 Busy", "Connection: close\r\n")], ids=["lost", "503"]
)
async def test_a_call_that_was_sent_never_ends_as_not_sent(first: bytes) -> None:
    """If an attempt was sent and a later one cannot connect, it is an AnswerLostError caused by that."""
    port = free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        server.close()
        writer.write(first)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with wxcv.Session(STATIC, base_url=f"http://127.0.0.1:{port}", retries=QUICK) as session:
        with pytest.raises(wxcv.AnswerLostError, match="a later request could not connect") as caught:
            await session.scan_qrcode(PICTURE)
    error = caught.value

    assert error.sends == 1
    assert isinstance(error.__cause__, wxcv.ConnectError)
    assert (error.reason, error.errno) == (error.__cause__.reason, error.__cause__.errno)
    assert error.errno
    assert "nothing was sent" not in str(error)


async def test_a_batch_calls_it_unknown_when_the_server_goes_away() -> None:
    """An image that was sent to a server that then is gone is unknown, and the others are not_sent."""
    clock, port = wxcv.ManualClock(), free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        server.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    options = {"clock": clock, "retries": QUICK, "concurrency": 1}
    async with running(clock), wxcv.Session(STATIC, base_url=url, **options) as session:  # type: ignore[arg-type]
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 10, ordered=True) as batch:
            outcomes = await _collect(batch)

    assert [one.status for one in outcomes] == ["unknown"] + ["not_sent"] * 9
    assert [one.sends for one in outcomes] == [1] + [0] * 9


async def test_not_sent_is_said_only_of_images_of_which_nothing_was_sent() -> None:
    """An image that was sent and refused before the batch was stopped is "failed", with its sends."""
    tokens = 0

    async def mint(request: web.Request) -> web.StreamResponse:
        nonlocal tokens
        tokens += 1
        if tokens > 1 and request.transport is not None:
            request.transport.abort()
        return answer(access_token=TOKEN, expires_in=7200)

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=40001, errmsg="invalid credential")

    clock = wxcv.ManualClock()
    async with (
        api_server(call, mint) as url,
        wxcv.Session(wxcv.AppCredential("wx1", "s"), base_url=url, clock=clock, concurrency=2) as session,
        running(clock),
        session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 5) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert {outcome.status for outcome in outcomes} == {"failed", "not_sent"}
    for outcome in outcomes:
        assert outcome.error is not None
        assert (outcome.status == "not_sent") == (outcome.sends == outcome.error.sends == 0)
        assert outcome.error.retryable


async def test_an_image_whose_every_attempt_was_answered_is_not_unknown() -> None:
    """If WeChat was busy, and then could not be reached, nobody doubts what it has counted: "failed"."""
    port = free_port()

    async def busy(request: web.Request) -> web.StreamResponse:
        await request.read()
        asyncio.get_running_loop().call_soon(gone.set)
        return answer(errcode=-1, errmsg="system busy")

    gone = asyncio.Event()
    clock = wxcv.ManualClock()
    url = f"http://127.0.0.1:{port}"
    async with wxcv.Session(STATIC, base_url=url, clock=clock, concurrency=1) as session:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE]) as batch:
            async with api_server(busy, port=port):
                outcome = asyncio.ensure_future(anext(batch))
                await gone.wait()
            async with running(clock):
                ended = await outcome

    assert (ended.status, ended.sends, type(ended.error)) == ("failed", 1, wxcv.AnswerLostError)
