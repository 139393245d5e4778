"""Faults of all kinds on all pages, and what no fault may break."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import pytest
from support.pages import PATHS, QRCODE
from support.raw_calls import connected, fetch, until
from support.sandbox_calls import Caller, calling

from wxcv.sandbox import Fault, Sandbox


@pytest.mark.parametrize("fault", [Fault(stall=True), Fault(delay=3600), Fault(drip=3600)])
async def test_closing_does_not_wait_for_faults(fault: Fault) -> None:
    """Requests that a fault holds are reset when the sandbox closes, before its grace is over."""
    async with calling() as caller:
        caller.box.fail_always(QRCODE, fault)
        reader, writer = await connected(caller)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: caller.box.requests[QRCODE])
        await caller.box.aclose()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_sender_that_goes_away_in_a_delay_is_not_received(caplog: pytest.LogCaptureFixture) -> None:
    """When the sender is gone before the fault, nothing is left to be done, and nothing is logged."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(delay=0.2, drop="before"))
        before = asyncio.all_tasks()
        _, writer = await connected(caller)
        writer.write(b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: caller.box.requests[QRCODE])
        writer.transport.abort()
        await until(lambda: asyncio.all_tasks() <= before)

    assert not caller.box.received
    assert not caplog.records


FAULTS = [
    Fault(errcode=-1),
    Fault(status=204),
    Fault(status=304, headers={"X-A": "b"}),
    Fault(status=404),
    Fault(body=b"abc", cut=True),
    Fault(cut=True),
    Fault(drip=0),
    Fault(drop="before"),
    Fault(drop="after"),
    Fault(body=gzip.compress(b"abc"), headers={"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
async def test_no_fault_is_a_fault_of_the_server(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the path and the method, every fault ends as it says, and nothing is logged."""
    async with calling() as caller, asyncio.TaskGroup() as group:
        for path in PATHS:
            group.create_task(_meet_all_faults(caller, method, path))

    assert not caplog.records


async def _meet_all_faults(caller: Caller, method: str, path: str) -> None:
    for fault in FAULTS:
        caller.box.fail_always(path, fault)  # always, as aiohttp repeats some requests
        assert await _outcome(caller, method, path) == _expected(fault, method)


async def _outcome(caller: Caller, method: str, path: str) -> int | str:
    """Return the status of an answer that comes whole, or what becomes of another."""
    try:
        async with caller.http.request(method, caller.box.base_url + path) as response:
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if body.endswith(b" " * 10):
                    return "drips"
            return response.status
    except aiohttp.ClientError:
        return "breaks"


def _expected(fault: Fault, method: str) -> int | str:
    if fault.drop is not None:
        return "breaks"
    if method == "HEAD":
        return fault.status or 200
    if fault.drip is not None:
        return "drips"
    return "breaks" if fault.cut else fault.status or 200


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
