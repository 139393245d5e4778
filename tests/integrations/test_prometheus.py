"""What Prometheus is told when it collects the metrics over HTTP."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families
from support.accounts import APP, QUICK, STATIC, TOKEN
from support.docstring_programs import import_without, run_program
from support.pages import QRCODE
from support.pictures import BLANK, PICTURE
from support.same_image import Server, wait_until
from support.servers import api_server

import wxcv
from wxcv.integrations import prometheus
from wxcv.integrations.prometheus import SessionMetrics
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from wxcv.sandbox import Sandbox


@asynccontextmanager
async def scraping(registry: CollectorRegistry) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Serve a registry as programs do; yields what collects its metrics."""
    server, thread = start_http_server(0, "127.0.0.1", registry)
    url = f"http://127.0.0.1:{server.server_port}/metrics"

    async def scrape() -> str:
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200
            return await response.text()

    try:
        yield scrape
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


def read(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples, by name and the values of their labels, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_sessions_do_is_collected(box: Sandbox) -> None:
    """Calls by endpoint, source and status, sends, retries, refreshes, attempts and bytes are told."""
    registry = CollectorRegistry()
    metrics = SessionMetrics(registry)
    box.fail_next(QRCODE, Fault(status=503), None, Fault(errcode=40001))
    credential = wxcv.AppCredential(box.appid, box.secret)
    cache = [wxcv.AnswerCache()]
    async with (
        scraping(registry) as scrape,
        wxcv.Session(
            credential, base_url=box.base_url, retries=QUICK, answer_sources=cache, **metrics.hooks
        ) as session,
    ):
        with metrics.watch(session, "web"):
            await session.scan_qrcode(PICTURE)
            await session.scan_qrcode(PICTURE)
            await session.scan_qrcode(BLANK)
            with pytest.raises(wxcv.EmptyImageError):
                await session.printed_text(b"")
            samples = read(await scrape())
        again = read(await scrape())

    expected = {
        ("wxcv_calls_total", "scan_qrcode", "wechat", "ok"): 2,
        ("wxcv_calls_total", "scan_qrcode", "cache", "ok"): 1,
        ("wxcv_calls_total", "printed_text", "", "failed"): 1,
        ("wxcv_call_duration_seconds_count", "scan_qrcode", "ok"): 3,
        ("wxcv_call_duration_seconds_bucket", "scan_qrcode", "+Inf", "ok"): 3,
        ("wxcv_attempts_total", "", QRCODE): 2,
        ("wxcv_attempts_total", "ProtocolError", QRCODE): 1,
        ("wxcv_attempts_total", "TokenRejectedError", QRCODE): 1,
        ("wxcv_running_calls", "web"): 0,
        ("wxcv_waiting_calls", "web"): 0,
        ("wxcv_sends_total", QRCODE, "web"): 4,
        ("wxcv_retries_total", "web"): 2,
        ("wxcv_token_refreshes_total", "web"): 2,
        ("wxcv_sent_bytes_total", "web"): 2 * len(PICTURE) + 2 * len(BLANK),
    }
    assert {key: samples.get(key) for key in expected} == expected
    assert samples["wxcv_call_duration_seconds_sum", "scan_qrcode", "ok"] > 0
    assert {key: again.get(key) for key in expected} == expected


async def test_what_runs_and_waits_is_told_as_it_is_then() -> None:
    """Each collection tells how many calls run and wait at that moment."""
    server, registry = Server(is_held=True), CollectorRegistry()
    metrics = SessionMetrics(registry)
    async with (
        api_server(server.call) as url,
        scraping(registry) as scrape,
        wxcv.Session(STATIC, base_url=url, concurrency=2, **metrics.hooks) as session,
    ):
        metrics.watch(session)
        calls = [asyncio.create_task(session.scan_qrcode(PICTURE)) for _ in range(5)]
        await wait_until(lambda: session.stats().waiting == 3)
        during = read(await scrape())
        server.go.set()
        await asyncio.gather(*calls)
        after = read(await scrape())

    names = ("wxcv_running_calls", "wxcv_waiting_calls")
    assert [during[name, "default"] for name in names] == [2, 3]
    assert [after[name, "default"] for name in names] == [0, 0]


async def test_several_sessions_share_a_registry() -> None:
    """One SessionMetrics serves all sessions; a second one in the registry is refused with what to do."""
    server, registry = Server(), CollectorRegistry()
    metrics = SessionMetrics(registry)
    with pytest.raises(ValueError, match="use one SessionMetrics for all sessions"):
        SessionMetrics(registry)
    async with (
        api_server(server.call) as url,
        scraping(registry) as scrape,
        wxcv.Session(STATIC, base_url=url, **metrics.hooks) as one,
        wxcv.Session(STATIC, base_url=url, **metrics.hooks) as other,
    ):
        with metrics.watch(one, "one"), metrics.watch(other, "other"):
            for session in (one, other, other):
                await session.scan_qrcode(PICTURE)
            samples = read(await scrape())

    assert samples["wxcv_sends_total", QRCODE, "one"] == 1
    assert samples["wxcv_sends_total", QRCODE, "other"] == 2
    assert samples["wxcv_calls_total", "scan_qrcode", "wechat", "ok"] == 3
    metrics.close()
    SessionMetrics(registry)
    SessionMetrics(CollectorRegistry())


async def test_what_is_left_is_told(box: Sandbox) -> None:
    """What a daily limit leaves is told by itself, and WeChat's quota when the program sets it."""
    registry = CollectorRegistry()
    metrics = SessionMetrics(registry)
    limits = wxcv.DailyLimits({wxcv.SCAN_QRCODE: 5})
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with (
        scraping(registry) as scrape,
        wxcv.Session(credential, base_url=box.base_url, daily_limits=limits, **metrics.hooks) as session,
    ):
        metrics.watch(session)
        await session.scan_qrcode(PICTURE)
        quota = await session.quota(wxcv.SCAN_QRCODE)
        metrics.set_quota(wxcv.SCAN_QRCODE, quota)
        samples = read(await scrape())

    assert samples["wxcv_sends_left", QRCODE, "default"] == 4
    assert samples["wxcv_quota_limit", "scan_qrcode", "default"] == quota.daily_limit
    assert samples["wxcv_quota_remaining", "scan_qrcode", "default"] == quota.remain


async def test_no_metric_shows_a_secret_or_an_image() -> None:
    """Neither token, secret, URL nor the name of a file is in the metrics, whatever fails."""
    server, registry = Server(40001, f"invalid {TOKEN}"), CollectorRegistry()
    metrics = SessionMetrics(registry)
    options: dict[str, Any] = {"retries": QUICK, **metrics.hooks}
    async with (
        api_server(server.call) as url,
        scraping(registry) as scrape,
        wxcv.Session(APP, base_url=url, **options) as session,
        wxcv.Session(APP, base_url="http://127.0.0.1:9", **options) as unreachable,
    ):
        metrics.watch(session)
        for one in (session, unreachable):
            for image in (PICTURE, "https://example.com/?sign=MARKED", "MARKED.png"):
                with pytest.raises(wxcv.WxcvError):
                    await one.scan_qrcode(image)
        text = await scrape()

    assert "TokenRejectedError" in text
    assert "MARKED" not in text
    assert "127.0.0.1" not in text


async def test_the_program_in_the_docstring_runs(box: Sandbox, tmp_path: Path) -> None:
    """The example prints the metrics of its call."""
    samples = read(await run_program(prometheus, box, tmp_path))

    assert samples["wxcv_calls_total", "scan_qrcode", "wechat", "ok"] == 1
    assert samples["wxcv_sends_total", QRCODE, "default"] == 1


def test_every_metric_is_in_the_docstring() -> None:
    """The table names every metric, and no other."""
    registry = CollectorRegistry()
    SessionMetrics(registry)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    names = {family.name + "_total" * (family.type == "counter") for family in families}
    rows = [line.split(" | ")[0] for line in (prometheus.__doc__ or "").splitlines() if "| `" in line]

    assert {name for row in rows for name in re.findall("`(.+?)`", row)} == names


def test_without_the_extra_the_import_says_what_to_install() -> None:
    """Without prometheus-client, the module names the command that installs it."""
    told = import_without("prometheus_client", "wxcv.integrations.prometheus")

    assert 'python -m pip install "wxcv[prometheus]"' in told
