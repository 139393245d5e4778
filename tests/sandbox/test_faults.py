"""Faults that a test plans, one by one."""

from __future__ import annotations

import asyncio
import hashlib
import json

import aiohttp
import pytest
from support import pictures
from support.pages import COMM, PATHS, QRCODE, STABLE_TOKEN
from support.raw_calls import connected, fetch, until
from support.sandbox_calls import GOOD, calling, said

from wxcv.sandbox import Fault


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
        caller.box.fail_next(STABLE_TOKEN, Fault(body=b"not json"))
        status, headers, body = await fetch(caller, STABLE_TOKEN)

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
    """A delayed request is answered as ever, and only when its delay is over."""
    async with calling() as caller:
        caller.box.fail_next(STABLE_TOKEN, Fault(delay=0.01), Fault(delay=3600))
        assert "access_token" in await caller.stable()
        delayed = asyncio.create_task(caller.stable(force_refresh=True))
        await until(lambda: caller.box.requests[STABLE_TOKEN] == 2)
        for _ in range(3):
            await caller.stable()

        assert not delayed.done()
        assert caller.box.tokens_issued["stable"] == 1
        await caller.box.aclose()
        with pytest.raises(aiohttp.ClientError):
            await delayed


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
        for path in (STABLE_TOKEN, QRCODE):
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
        caller.box.fail_next(STABLE_TOKEN, Fault(drip=0))
        async with caller.http.post(caller.box.base_url + STABLE_TOKEN) as answer:
            body = await answer.content.readexactly(1000)
    whole, _, rest = body.partition(b"}")
    assert whole.startswith(b'{"errcode":47001')
    assert rest == b" " * (999 - len(whole))

    async with calling() as caller:
        caller.box.fail_next(STABLE_TOKEN, Fault(drip=3600))
        async with caller.http.post(caller.box.base_url + STABLE_TOKEN) as answer:
            assert await answer.content.readexactly(1) == b"{"
            for _ in range(3):
                await caller.stable()
            assert answer.content.total_bytes == 1


async def test_stall_reads_no_upload_and_never_answers() -> None:
    """With `stall` a sender of a small buffer cannot send 200 KB, and nothing comes back."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(stall=True))
        reader, writer = await connected(caller, buffer=16_384)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        await until(lambda: caller.box.requests[QRCODE])
        await caller.stable()  # by now the sandbox has stopped reading
        writer.write(bytes(200_000))
        reading = asyncio.create_task(reader.read())
        for _ in range(3):
            await caller.stable()
        assert not reading.done()
        assert writer.transport.get_write_buffer_size() > 110_000
        assert not caller.box.received
        writer.transport.abort()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("path", [QRCODE, STABLE_TOKEN])
async def test_answer_comes_when_the_request_has_been_read(path: str) -> None:
    """A fault that answers waits for the whole body of the request."""
    async with calling() as caller:
        caller.box.fail_next(path, Fault(status=503))
        reader, writer = await connected(caller)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n".encode() + b"x")
        reading = asyncio.create_task(reader.readline())
        await until(lambda: caller.box.requests[path])
        for _ in range(3):
            await caller.classic()
        assert not reading.done()
        writer.write(b"y")
        assert await reading == b"HTTP/1.1 503 Service Unavailable\r\n"
        writer.close()
