"""Refusals that concern the account, and outages: when a batch stops."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from support.accounts import APP, TOKEN
from support.batches import Server, collect, moved, statuses
from support.pages import QRCODE, STABLE_TOKEN
from support.pictures import PICTURE
from support.sandbox_calls import Now
from support.servers import answer, api_server, raw_server

import wxcv
from wxcv.sandbox import Fault, Quota, Sandbox

if TYPE_CHECKING:
    from aiohttp import web


@pytest.mark.parametrize(
    ("errcode", "cls"),
    [
        (45009, wxcv.QuotaExhaustedError),
        (101003, wxcv.QuotaExhaustedError),
        (48001, wxcv.PermissionDeniedError),
        (61007, wxcv.PermissionDeniedError),
    ],
)
async def test_after_the_first_account_wide_refusal_nothing_more_is_sent(
    errcode: int, cls: type[wxcv.APIError]
) -> None:
    """After a refusal in the middle of 1,000, only what was under way was sent, and the rest is not_sent."""
    server = Server()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        server.calls += 1
        code = 0 if server.calls <= 500 else errcode
        return answer(errcode=code, errmsg="scripted", code_results=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 1000))

    counts = {status: statuses(outcomes).count(status) for status in ("ok", "failed", "not_sent", "unknown")}
    assert counts["ok"] == 500
    assert 1 <= counts["failed"] <= 8
    assert server.calls == 500 + counts["failed"]
    assert counts["not_sent"] == 500 - counts["failed"]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {cls}
    assert all(outcome.sends == 0 for outcome in outcomes if outcome.status == "not_sent")
    assert all(outcome.sends == outcome.error.sends for outcome in outcomes if outcome.error)


async def test_a_quota_of_the_sandbox_stops_a_batch() -> None:
    """With 20 calls a day, 20 images are read and the others are kept for another day."""
    async with Sandbox(clock=Now(), quota=Quota(per_day=20)) as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100))

        assert statuses(outcomes).count("ok") == 20
        assert statuses(outcomes).count("not_sent") >= 72
        assert box.usage(QRCODE).day == 20


class _Slow:
    """An image that is read only after another was refused."""

    name = "slow.png"

    def __init__(self) -> None:
        self.go, self.picture = threading.Event(), PICTURE

    def read(self, _size: int) -> bytes:
        self.go.wait(10)
        picture, self.picture = self.picture, b""
        return picture


async def test_what_is_being_read_when_the_quota_ends_is_not_sent() -> None:
    """An image that has its slot but was not sent when another is refused for the account stays unsent."""
    slow, sent = _Slow(), 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        await request.read()
        sent += 1
        return answer(errcode=45009, errmsg="limit")

    def note(_event: wxcv.AttemptEvent) -> None:
        asyncio.get_running_loop().call_later(0.05, slow.go.set)

    async with (
        api_server(call) as url,
        wxcv.Session(APP, base_url=url, on_attempt=note, concurrency=2) as session,
    ):
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [slow, PICTURE], ordered=True))

    assert [outcome.status for outcome in outcomes] == ["not_sent", "failed"]
    assert sent == 1


async def test_a_dead_static_token_stops_a_batch(box: Sandbox) -> None:
    """With a static token that WeChat refuses, a few images are sent and all others are not_sent."""
    async with wxcv.Session(wxcv.StaticTokenCredential("dead"), base_url=box.base_url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100))

    assert box.requests[QRCODE] <= 8
    assert {type(outcome.error) for outcome in outcomes} == {wxcv.TokenRejectedError}
    assert statuses(outcomes).count("not_sent") >= 92


async def test_a_wrong_secret_stops_a_batch(box: Sandbox) -> None:
    """With a wrong secret nothing is sent, and every image is not_sent."""
    async with wxcv.Session(wxcv.AppCredential(box.appid, "0" * 32), base_url=box.base_url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50))

    assert set(statuses(outcomes)) == {"not_sent"}
    assert (box.requests[QRCODE], box.requests[STABLE_TOKEN]) == (0, 1)


async def test_a_token_endpoint_that_is_down_fails_no_image(box: Sandbox) -> None:
    """While the token endpoint answers 503 for ever, a batch waits for call_timeout, then all is not_sent."""
    clock = wxcv.ManualClock()
    box.fail_always(STABLE_TOKEN, Fault(status=503))
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 200)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"not_sent"}
    assert box.requests[QRCODE] == 0
    assert box.requests[STABLE_TOKEN] <= 15
    assert 60 <= clock.monotonic() < 90


async def test_a_token_endpoint_that_comes_back_costs_nothing(box: Sandbox) -> None:
    """If tokens can be had again before call_timeout is over, every image is read."""
    clock = wxcv.ManualClock()
    box.fail_next(STABLE_TOKEN, *[Fault(status=503)] * 6)
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"ok"}


async def test_a_refused_token_while_no_new_one_can_be_had_fails_no_image(box: Sandbox) -> None:
    """If the token is refused while the token endpoint is down, images wait for it, and all are read."""
    clock = wxcv.ManualClock()
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        box.revoke((await session.token()).value)
        box.fail_next(STABLE_TOKEN, *[Fault(status=503)] * 6)
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 20)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"ok"}


async def test_a_dead_network_fails_few_images() -> None:
    """When nothing listens any more, a few images use up their attempts, and all others are not_sent."""
    clock = wxcv.ManualClock()
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    async with wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 300)))
        await moved(clock, task.done)

    counts = [statuses(task.result()).count(status) for status in ("failed", "not_sent")]
    assert counts[0] <= 50 // 3 + 8
    assert sum(counts) == 300
