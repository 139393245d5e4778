from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import time
from typing import TYPE_CHECKING

import aiohttp
import pictures
import pytest
from sandbox_calls import COMM, GOOD, QRCODE, Caller, calling, said

from wxcv.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

STABLE = "/cgi-bin/stable_token"
PATHS = [
    QRCODE,
    COMM,
    STABLE,
    "/cgi-bin/token",
    "/cgi-bin/component/api_component_token",
    "/cgi-bin/component/api_authorizer_token",
    "/nowhere",
]


async def fetch(
    caller: Caller, path: str, method: str = "POST", **options: object
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of whatever is answered."""
    url = caller.box.base_url + path
    async with caller.http.request(method, url, allow_redirects=False, **options) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def connected(
    caller: Caller, *, buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection, with a send buffer of so many bytes."""
    host, port = caller.box.base_url.removeprefix("http://").split(":")
    made = socket.socket()
    made.setblocking(False)  # noqa: FBT003 - its only argument
    if buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    return await asyncio.open_connection(sock=made)


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds: the sandbox has no event for it."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("path", PATHS)
async def test_errcode_is_answered_on_any_path(path: str) -> None:
    """A fault with an errcode is that refusal in WeChat's words, with a rid, and nothing is made."""
    async with calling() as caller:
        caller.box.fail_next(path, Fault(errcode=40164))
        answer = await caller.call("POST", path, data=b"x")
        assert not caller.box.tokens_issued

    assert said(answer) == (40164, "invalid ip, not in whitelist")
    assert " rid: " in answer["errmsg"]


async def test_errmsg_can_be_given() -> None:
    """A fault may have an errmsg of its own, and an errcode that nobody knows has one made up."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(errcode=99999), Fault(errcode=101002, errmsg="market quota"))
        assert said(await caller.call("POST", QRCODE)) == (99999, "errcode 99999")
        assert said(await caller.call("POST", QRCODE)) == (101002, "market quota")


async def test_upload_that_fails_is_received_with_its_fault() -> None:
    """A scripted refusal has read the whole upload, and the same bytes that come again are read as ever."""
    image = pictures.qr_png("hi")
    fault = Fault(errcode=40001)
    async with calling() as caller:
        caller.box.fail_next(QRCODE, fault)
        assert (await caller.upload(QRCODE, image))["errcode"] == 40001
        assert (await caller.upload(QRCODE, image))["errcode"] == 0
        first, second = caller.box.received

    assert (first.errcode, first.fault) == (40001, fault)
    assert (second.errcode, second.fault) == (0, None)
    assert first.sha256 == second.sha256 == hashlib.sha256(image).hexdigest()


async def test_faults_come_in_turn() -> None:
    """Scripted faults are used up one a request, None is none of them, and more can be added."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(errcode=-1), None)
        caller.box.fail_next(QRCODE, Fault(errcode=45011))
        errcodes = [(await caller.call("POST", QRCODE))["errcode"] for _ in range(4)]
        assert caller.box.requests[QRCODE] == 4

    assert errcodes == [-1, 41001, 45011, 41001]


async def test_constant_fault_stays_until_it_is_healed() -> None:
    """Every request has the constant fault after the scripted ones, until `heal` forgets both."""
    async with calling() as caller:
        caller.box.fail_always(QRCODE, Fault(errcode=-1))
        caller.box.fail_next(QRCODE, Fault(errcode=45009), None)
        errcodes = [(await caller.call("POST", QRCODE))["errcode"] for _ in range(4)]
        caller.box.fail_next(QRCODE, Fault(errcode=45009))
        caller.box.clear_faults(QRCODE)
        healed = (await caller.call("POST", QRCODE))["errcode"]

    assert errcodes == [45009, 41001, -1, -1]
    assert healed == 41001


async def test_other_paths_are_left_alone() -> None:
    """A fault of one path is not one of another."""
    async with calling() as caller:
        caller.box.fail_always(COMM, Fault(status=500))
        assert await caller.errcode((await caller.stable())["access_token"]) == GOOD


async def test_status_headers_and_body_are_sent_as_they_are() -> None:
    """A fault with a status has an empty body, and one with a body and a type sends those bytes."""
    page = Fault(status=502, body=b"<h1>\xff</h1>", headers={"content-type": "text/html"})
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(status=503, headers={"Retry-After": "2"}), page)
        status, headers, body = await fetch(caller, QRCODE)
        assert (status, headers["Retry-After"], body) == (503, "2", b"")
        status, headers, body = await fetch(caller, QRCODE)
        assert (status, headers["Content-Type"], body) == (502, "text/html", b"<h1>\xff</h1>")
        assert [arrived.fault for arrived in caller.box.received] == [
            Fault(status=503, headers={"Retry-After": "2"}),
            page,
        ]


async def test_body_alone_is_a_good_answer_of_wechats_type() -> None:
    """A body without status and type has status 200 and the Content-Type of every answer."""
    async with calling() as caller:
        caller.box.fail_next(STABLE, Fault(body=b"not json"))
        status, headers, body = await fetch(caller, STABLE)

    assert (status, headers["Content-Type"]) == (200, "application/json; encoding=utf-8")
    assert body == b"not json"


async def test_errcode_may_have_a_status_and_headers() -> None:
    """A refusal may come with an HTTP status and headers."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(errcode=45011, status=429, headers={"Retry-After": "1"}))
        status, headers, body = await fetch(caller, QRCODE)

    assert (status, headers["Retry-After"]) == (429, "1")
    assert json.loads(body)["errcode"] == 45011


async def test_redirect() -> None:
    """A status of 307 with a Location is a redirect."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(status=307, headers={"Location": "http://other.example/"}))
        status, headers, _ = await fetch(caller, QRCODE)

    assert (status, headers["Location"]) == (307, "http://other.example/")


async def test_headers_alone_go_with_the_pages_own_answer() -> None:
    """A fault that has headers only leaves the answer as it is."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(headers={"Content-Type": "text/plain", "X-Via": "proxy"}))
        status, headers, body = await fetch(caller, QRCODE)

    assert (status, headers["Content-Type"], headers["X-Via"]) == (200, "text/plain", "proxy")
    assert json.loads(body)["errcode"] == 41001


async def test_delay_comes_before_the_pages_own_answer() -> None:
    """A delayed request is answered as ever, that many seconds later."""
    async with calling() as caller:
        caller.box.fail_next(STABLE, Fault(delay=0.2))
        start = time.monotonic()
        assert "access_token" in await caller.stable()

    assert time.monotonic() - start >= 0.2


async def test_drop_before_resets_the_connection_and_reads_nothing() -> None:
    """With drop="before" the sender meets a reset, and the request is counted but not received."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(drop="before"))
        reader, writer = await connected(caller)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

        assert caller.box.requests[QRCODE] == 1
        assert not caller.box.received


async def test_drop_after_resets_the_connection_when_the_work_is_done() -> None:
    """With drop="after" a token is made and an upload received, and no byte of the answer arrives."""
    async with calling() as caller:
        await caller.token()
        for path in (STABLE, QRCODE):
            caller.box.fail_next(path, Fault(drop="after"))
        with pytest.raises(aiohttp.ClientError):
            await caller.stable(force_refresh=True)
        with pytest.raises(aiohttp.ClientError):
            await caller.upload(QRCODE, b"abc")

        assert caller.box.tokens_issued == {"stable": 2}
        assert [(arrived.size, arrived.fault) for arrived in caller.box.received] == [
            (3, Fault(drop="after"))
        ]


@pytest.mark.parametrize(
    ("fault", "half"),
    [
        (Fault(cut=True), b'{"errcode":41001,"errmsg":"access_token'),
        (Fault(cut=True, status=502, body=b"1234567"), b"123"),
    ],
)
async def test_cut_ends_in_the_middle_of_the_body(fault: Fault, half: bytes) -> None:
    """With `cut` the length of the whole body is told, half of it comes, and the connection ends."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, fault)
        reader, writer = await connected(caller)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()

    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    assert len(body) == length // 2
    assert body.startswith(half)


async def test_drip_sends_the_body_slowly_and_never_ends() -> None:
    """With `drip` the body comes byte by byte, then white space, and no end."""
    async with calling() as caller:
        caller.box.fail_next(STABLE, Fault(drip=0))
        async with caller.http.post(caller.box.base_url + STABLE) as answer:
            body = await answer.content.readexactly(1000)
    whole, _, rest = body.partition(b"}")
    assert whole.startswith(b'{"errcode":47001')
    assert rest == b" " * (999 - len(whole))

    async with calling() as caller:
        caller.box.fail_next(STABLE, Fault(drip=0.05))
        start = time.monotonic()
        async with caller.http.post(caller.box.base_url + STABLE) as answer:
            await answer.content.readexactly(5)
    assert time.monotonic() - start >= 0.2


async def test_stall_reads_no_upload_and_never_answers() -> None:
    """With `stall` a sender of a small buffer cannot send 200 KB, and nothing comes back."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(stall=True))
        reader, writer = await connected(caller, buffer=16_384)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        await until(lambda: caller.box.requests[QRCODE])
        await asyncio.sleep(0.05)
        writer.write(bytes(200_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 0.3)
        assert writer.transport.get_write_buffer_size() > 110_000
        assert not caller.box.received
        writer.transport.abort()


@pytest.mark.parametrize("path", [QRCODE, STABLE])
async def test_answer_comes_when_the_request_has_been_read(path: str) -> None:
    """A fault that answers waits for the whole body of the request."""
    async with calling() as caller:
        caller.box.fail_next(path, Fault(status=503))
        reader, writer = await connected(caller)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n".encode() + b"x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        writer.write(b"y")
        assert await reader.readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
        writer.close()


@pytest.mark.parametrize("fault", [Fault(stall=True), Fault(delay=3600), Fault(drip=3600)])
async def test_closing_does_not_wait_for_faults(fault: Fault) -> None:
    """Requests that a fault holds are reset as soon as the sandbox closes."""
    async with calling() as caller:
        caller.box.fail_always(QRCODE, fault)
        call = asyncio.create_task(fetch(caller, QRCODE))
        await until(lambda: caller.box.requests[QRCODE])
        await asyncio.sleep(0.05)
        start = time.monotonic()
        await caller.box.aclose()
        with pytest.raises(aiohttp.ClientError):
            await call

    assert time.monotonic() - start < 1


async def test_sender_that_goes_away_in_a_delay_is_not_received(caplog: pytest.LogCaptureFixture) -> None:
    """When the sender is gone before the fault, nothing is left to be done, and nothing is logged."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(delay=0.2, drop="before"))
        _, writer = await connected(caller)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: caller.box.requests[QRCODE])
        writer.transport.abort()
        await asyncio.sleep(0.3)

    assert not caller.box.received
    assert not caplog.records


FAULTS = [
    Fault(errcode=-1),
    Fault(status=204),
    Fault(status=304, headers={"X-A": "b"}),
    Fault(status=404),
    Fault(body=b"abc", cut=True),
    Fault(cut=True),
    Fault(drip=0.001),
    Fault(drop="before"),
    Fault(drop="after"),
    Fault(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
async def test_no_fault_is_a_fault_of_the_server(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the fault, the path and the method, no answer has status 500 and nothing is logged."""
    async with calling() as caller, asyncio.TaskGroup() as group:
        for path in PATHS:
            caller.box.fail_next(path, *FAULTS)
            for _ in FAULTS:
                group.create_task(_survive(caller, method, path))

    assert not caplog.records


async def _survive(caller: Caller, method: str, path: str) -> None:
    timeout = aiohttp.ClientTimeout(total=0.5)
    try:
        status, _, _ = await fetch(caller, path, method, timeout=timeout)
    except (aiohttp.ClientError, TimeoutError):
        return
    assert status in {200, 204, 304, 404}


async def test_answer_to_head_cannot_be_spoilt() -> None:
    """A HEAD has no body that could be cut or drip, and is answered as ever."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(cut=True), Fault(drip=0))
        for _ in range(2):
            assert (await fetch(caller, QRCODE, "HEAD"))[::2] == (200, b"")


async def test_relay_can_fail_in_all_its_ways() -> None:
    """A relay's own refusals have its header, and what never reached WeChat has those of the fault only."""
    proxy = Fault(
        status=502,
        body=b'{"error_type":"OPENAPI_PROXY_ERROR","error_code":10001}',
        headers={"x-openapi-seqid": "7"},
    )
    async with calling(relay=True) as caller:
        caller.box.fail_next(
            QRCODE, *(Fault(errcode=code) for code in (41001, 85107, 85113)), proxy, Fault(status=404)
        )
        answers = [await fetch(caller, QRCODE) for _ in range(5)]

    assert [json.loads(body)["errcode"] for _, _, body in answers[:3]] == [41001, 85107, 85113]
    assert ["x-openapi-seqid" in headers for _, headers, _ in answers] == [True, True, True, True, False]
    assert answers[3][0] == 502
    assert answers[3][1]["x-openapi-seqid"] == "7"
    assert answers[4][::2] == (404, b"")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "fault"),
        ({"errcode": "40001"}, "errcode"),
        ({"errmsg": "text"}, "errmsg"),
        ({"errcode": 1, "errmsg": 2}, "errmsg"),
        ({"status": 100}, "status"),
        ({"status": 600}, "status"),
        ({"body": "text"}, "body"),
        ({"errcode": 1, "body": b"x"}, "body"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"X-A": 1}}, "headers"),
        ({"headers": {1: "b"}}, "headers"),
        ({"headers": {"é": "b"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"headers": [("X-A", "b")]}, "headers"),
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": "1"}, "delay"),
        ({"drip": float("inf")}, "drip"),
        ({"drop": "during"}, "drop"),
        ({"drop": True}, "drop"),
        ({"cut": 1}, "cut"),
        ({"stall": None}, "stall"),
        ({"cut": True, "drip": 1.0}, "fault"),
        ({"drop": "after", "stall": True}, "fault"),
        ({"drop": "before", "errcode": 1}, "stall and drop='before'"),
        ({"stall": True, "headers": {"X-A": "b"}}, "stall and drop='before'"),
        ({"status": 503, "cut": True}, "cut"),
        ({"status": 204, "body": b"x"}, "status 204"),
        ({"status": 304, "drip": 0}, "status 204"),
    ],
)
def test_bad_fault_is_named(arguments: dict[str, object], named: str) -> None:
    """An argument that cannot be used, or not together with another, is named in the error."""
    with pytest.raises((TypeError, ValueError), match=f"^{named} "):
        Fault(**arguments)


@pytest.mark.parametrize("path", ["cv/img/qrcode", "", None, "/cv/img/qrcode?access_token=x"])
def test_path_of_a_fault_must_be_one(path: object) -> None:
    """A path without its slash, or with a query, is refused."""
    box = Sandbox()

    for plan in (
        lambda: box.fail_next(path, None),
        lambda: box.fail_always(path, Fault(errcode=1)),
        lambda: box.clear_faults(path),
    ):
        with pytest.raises(ValueError, match=r"^path must begin"):
            plan()


def test_only_faults_can_be_planned() -> None:
    """What is no fault is refused, and None is no constant fault."""
    box = Sandbox()

    with pytest.raises(TypeError, match="faults must be Fault or None"):
        box.fail_next(QRCODE, 40001)
    with pytest.raises(TypeError, match="fault must be a Fault"):
        box.fail_always(QRCODE, None)
