"""A session on a bad network: every fault ends in an answer, or in an error that says what is known."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support import pictures
from support.accounts import QUICK, STATIC
from support.pages import QRCODE
from support.pictures import PICTURE
from support.servers import answer, api_server, http_answer, raw_server, read_request, reset
from support.timeouts import FOR_EVER, end_attempts, ending_attempts

import wxcv
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from aiohttp import web

    from wxcv.sandbox import Sandbox

GOOD = http_answer(b'{"errcode":0,"code_results":[]}')


async def test_a_refused_connection_is_tried_again() -> None:
    """If the port is closed at first, the second attempt gets the answer, after one send."""
    sent: list[wxcv.AttemptEvent] = []
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(GOOD)
        await writer.drain()
        writer.close()

    def begin(event: wxcv.AttemptEvent) -> None:
        sent.append(event)
        if not starting:
            listening.listen()  # at once, as the wait before the next attempt may be none
            starting.append(asyncio.ensure_future(asyncio.start_server(serve, sock=listening)))

    starting: list[asyncio.Future[asyncio.Server]] = []
    async with wxcv.Session(STATIC, base_url=url, retries=QUICK, on_attempt=begin) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results == ()
        assert session.stats().sends == 1
    for server in await asyncio.gather(*starting):
        server.close()

    assert [event.status for event in sent] == [None, 200]


async def test_nobody_listening_is_told_after_three_attempts() -> None:
    """If the port is closed, a call ends after three attempts, with the system's error number and no send."""
    events: list[wxcv.AttemptEvent] = []
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    async with wxcv.Session(STATIC, base_url=url, retries=QUICK, on_attempt=events.append) as session:
        with pytest.raises(wxcv.ConnectError) as caught:
            await session.scan_qrcode(PICTURE)

    assert (len(events), caught.value.errno, caught.value.sends) == (3, 111, 0)


class _Resolver(aiohttp.abc.AbstractResolver):
    """A name service that fails or hangs."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    async def resolve(self, *_: object) -> list[aiohttp.abc.ResolveResult]:
        if self._hangs:
            await asyncio.Event().wait()
        raise OSError(-2, "Name or service not known")

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_a_name_that_cannot_be_looked_up_is_a_connect_error(hangs: bool) -> None:
    """A name service that fails or hangs ends the call with a ConnectError, as nothing was sent."""
    connector = aiohttp.TCPConnector(resolver=_Resolver(hangs=hangs))
    async with aiohttp.ClientSession(connector=connector) as http:
        session = wxcv.Session(STATIC, http=http, attempt_timeout=0.2, retries=QUICK)
        async with session:
            with pytest.raises(wxcv.ConnectError) as caught:
                await session.scan_qrcode(PICTURE)

    assert caught.value.sends == 0


async def test_a_connection_that_is_never_accepted_is_a_connect_error() -> None:
    """Connecting to a peer whose queue is full raises ConnectError."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.settimeout(0)
            client.connect_ex(listening.getsockname())
            waiting.append(client)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with wxcv.Session(STATIC, base_url=url, attempt_timeout=0.2, retries=QUICK) as session:
            with pytest.raises(wxcv.ConnectError) as caught:
                await session.scan_qrcode(PICTURE)
        for client in waiting:
            client.close()

    assert caught.value.sends == 0


async def test_a_reset_before_anything_is_read_is_made_good() -> None:
    """A connection that is reset at once costs one more attempt."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            reset(writer)
            return
        await read_request(reader)
        writer.write(GOOD)
        await writer.drain()

    async with raw_server(serve) as url, wxcv.Session(STATIC, base_url=url, retries=QUICK) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results == ()

    assert connections == 2


async def test_a_reset_after_the_request_is_retried_once(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A request that was read and then reset is sent twice at most, and once with at_most_once."""
    for policy, sends in ((QUICK, 2), (wxcv.RetryPolicy(at_most_once=True), 1)):
        box.requests.clear()
        box.fail_always(QRCODE, Fault(drop="after"))
        async with wxcv.Session(credential, base_url=box.base_url, retries=policy) as session:
            with pytest.raises(wxcv.AnswerLostError) as caught:
                await session.scan_qrcode(PICTURE)

        assert (caught.value.sends, box.requests[QRCODE]) == (sends, sends)


async def test_a_connection_that_idled_too_long_costs_no_call() -> None:
    """100 calls over kept connections that the server closes after each response all succeed."""
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        await read_request(reader)
        accepted += 1
        writer.write(GOOD)
        await writer.drain()
        writer.close()  # although it promised to keep it

    async with raw_server(serve) as url, wxcv.Session(STATIC, base_url=url, retries=QUICK) as session:
        for _ in range(100):
            assert (await session.scan_qrcode(PICTURE)).code_results == ()

    assert 100 <= accepted <= 110


async def small_buffers(url: str) -> aiohttp.ClientSession:
    """Return a session whose sockets hold no more than 16 KB back."""

    def factory(addr_info: aiohttp.AddrInfoType) -> socket.socket:
        made = socket.socket(*addr_info[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        return made

    assert url
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=factory))


async def test_a_peer_that_never_reads_ends_at_the_attempt_timeout(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """An upload that stalls because the peer never reads ends, and counts as sent."""
    box.fail_always(QRCODE, Fault(stall=True))
    picture = pictures.padded_png(2_000_000)
    async with await small_buffers(box.base_url) as http:
        options = {"http": http, "attempt_timeout": FOR_EVER, "retries": wxcv.RetryPolicy(at_most_once=True)}
        async with (
            wxcv.Session(credential, base_url=box.base_url, **options) as session,  # type: ignore[arg-type] # any options
            ending_attempts(session, lambda: box.requests[QRCODE]),
        ):
            with pytest.raises(wxcv.CallTimeoutError) as caught:
                await session.scan_qrcode(picture)

    assert caught.value.sends == 1


@pytest.mark.parametrize(
    ("fault", "cls", "requests"),
    [
        (Fault(drip=0.01), wxcv.CallTimeoutError, 2),
        (Fault(delay=3600.0), wxcv.CallTimeoutError, 2),
        (Fault(cut=True), wxcv.AnswerLostError, 2),
        (Fault(status=500), wxcv.ProtocolError, 3),
        (Fault(status=504), wxcv.ProtocolError, 3),
        (Fault(status=413), wxcv.ProtocolError, 1),
        (Fault(status=307, headers={"Location": "http://127.0.0.1:9/"}), wxcv.ProtocolError, 1),
        (Fault(status=302, headers={"Location": "ftp://127.0.0.1/"}), wxcv.ProtocolError, 1),
        (Fault(body=b""), wxcv.ProtocolError, 1),
        (Fault(body=b"[]"), wxcv.ProtocolError, 1),
        (Fault(body=b"null"), wxcv.ProtocolError, 1),
        (Fault(body=b"<html>", headers={"Content-Type": "text/html"}), wxcv.ProtocolError, 1),
        (Fault(errcode=-1), wxcv.SystemBusyError, 3),
        (Fault(errcode=48001), wxcv.PermissionDeniedError, 1),
        (Fault(errcode=101002, errmsg="not enough market quota"), wxcv.QuotaExhaustedError, 1),
        (Fault(errcode=101002), wxcv.ImageRejectedError, 1),
        (Fault(errcode=99999), wxcv.APIError, 1),
        (Fault(errcode=-99), wxcv.APIError, 1),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_fault_that_stays_has_its_error_and_its_number_of_sends(
    box: Sandbox, credential: wxcv.AppCredential, fault: Fault, cls: type[wxcv.WxcvError], requests: int
) -> None:
    """Transient failures get three attempts, sends that may have been counted two, and final failures one."""
    box.fail_always(QRCODE, fault)
    never_ends = cls is wxcv.CallTimeoutError
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        async with ending_attempts(session, lambda: box.requests[QRCODE] if never_ends else 0):
            with pytest.raises(cls) as caught:
                await session.scan_qrcode(PICTURE)

    assert type(caught.value) is cls
    assert (box.requests[QRCODE], caught.value.sends) == (requests, requests)
    assert box.tokens_issued["stable"] == 1


@pytest.mark.parametrize(
    "header", ["-5", "abc", "", "9" * 400, "Fri, 29 Sep 100000 00:00:00 GMT", "nan", "inf"]
)
async def test_a_nonsensical_retry_after_is_ignored(
    box: Sandbox, credential: wxcv.AppCredential, header: str
) -> None:
    """An unusable Retry-After does not stop the next attempt."""
    box.fail_next(QRCODE, Fault(status=503, headers={"Retry-After": header}))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results


async def test_after_a_storm_of_timeouts_the_pool_recovers() -> None:
    """Fifty calls over two connections all succeed although every third request times out."""
    calls, is_healthy = 0, False

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        await request.read()
        calls += 1
        if not is_healthy and calls % 3 == 0:
            end_attempts(session._state.transport)
            await asyncio.Event().wait()
        return answer(errcode=0, code_results=[])

    options = {"attempt_timeout": FOR_EVER, "concurrency": 50, "retries": QUICK}
    async with (
        api_server(call) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as http,
        wxcv.Session(STATIC, base_url=url, http=http, **options) as session,  # type: ignore[arg-type]
    ):
        storm = [session.scan_qrcode(PICTURE) for _ in range(60)]
        results = await asyncio.gather(*storm, return_exceptions=True)
        assert any(isinstance(result, wxcv.TransportError) for result in results)
        is_healthy = True
        answers = await asyncio.gather(*(session.scan_qrcode(PICTURE) for _ in range(50)))

    assert len(answers) == 50


async def test_a_json_answer_counts_whatever_its_type(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """An answer in JSON is read although its Content-Type says text."""
    body = b'\xef\xbb\xbf{"errcode":0,"errmsg":"ok","code_results":[]}'
    box.fail_next(QRCODE, Fault(body=body, headers={"Content-Type": "text/plain"}))
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results == ()
