"""What OpenTelemetry's SDK exports of calls, attempts and sessions."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.accounts import APP, QUICK, STATIC, TOKEN
from support.docstring_programs import import_without, run_program
from support.pages import QRCODE
from support.pictures import BLANK, PICTURE
from support.same_image import Server, make_cached_session, start_calls, wait_until
from support.servers import api_server

import wxcv
from wxcv.integrations import opentelemetry
from wxcv.integrations.opentelemetry import Telemetry
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wxcv.sandbox import Sandbox


class Exports:
    """A Telemetry whose spans and metrics stay in memory."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self._meters = TracerProvider(), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.tracer = self.tracers.get_tracer("test")
        self.telemetry = Telemetry(self.tracers, self._meters)
        self.hooks = self.telemetry.hooks

    def close(self) -> None:
        """End the threads of the providers."""
        self.tracers.shutdown()
        self._meters.shutdown()

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that have ended, in the order in which they ended."""
        return list(self._spans.get_finished_spans())

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Collect; return attributes and value, or the count of a histogram, by the names of metrics."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for metric in resource.scope_metrics[0].metrics:
                found[metric.name] = [
                    (dict(point.attributes), getattr(point, "value", None) or getattr(point, "count", 0))
                    for point in metric.data.data_points
                ]
        return found

    def text(self) -> str:
        """Return all that is exported."""
        data = self._reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans()) + (data.to_json() if data else "")


@pytest.fixture
def exports() -> Iterator[Exports]:
    """A Telemetry whose spans and metrics stay in memory."""
    made = Exports()
    yield made
    made.close()


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of a span without its seconds, which differ."""
    return {name: value for name, value in (span.attributes or {}).items() if name != "wxcv.queued"}


def parents(spans: list[ReadableSpan]) -> list[tuple[str, str | None]]:
    """Return the name of each span and that of its parent."""
    names = {span.context.span_id: span.name for span in spans if span.context is not None}
    return [(span.name, names[span.parent.span_id] if span.parent else None) for span in spans]


async def test_a_call_and_its_attempts_are_spans_of_the_conventions(box: Sandbox, exports: Exports) -> None:
    """A call is a child of the caller's span, and its attempts are HTTP client spans below it."""
    box.fail_next(QRCODE, Fault(status=503), Fault(errcode=-1))
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK, **exports.hooks) as session:
        with exports.tracer.start_as_current_span("request"):
            await session.scan_qrcode(PICTURE)
            assert trace.get_current_span().name == "request"

    *attempts, call, _request = spans = exports.spans()
    server = urlsplit(box.base_url)
    common = {
        "http.request.method": "POST",
        "url.template": QRCODE,
        "server.address": server.hostname,
        "server.port": server.port,
        "wxcv.image.size": len(PICTURE),
    }
    post = f"POST {QRCODE}"
    assert parents(spans) == [*[(post, "scan_qrcode")] * 3, ("scan_qrcode", "request"), ("request", None)]
    assert [attributes(span) for span in attempts] == [
        {**common, "http.response.status_code": 503, "error.type": "503"},
        {
            **common,
            "http.response.status_code": 200,
            "error.type": "SystemBusyError",
            "wxcv.errcode": -1,
            "http.request.resend_count": 1,
        },
        {**common, "http.response.status_code": 200, "wxcv.errcode": 0, "http.request.resend_count": 2},
    ]
    assert [span.status.status_code.name for span in attempts] == ["ERROR", "ERROR", "UNSET"]
    assert {span.kind for span in attempts} == {trace.SpanKind.CLIENT}
    assert (call.kind, call.status.status_code.name) == (trace.SpanKind.INTERNAL, "UNSET")
    assert attributes(call) == {
        "wxcv.endpoint": "scan_qrcode",
        "wxcv.status": "ok",
        "wxcv.source": "wechat",
        "wxcv.sends": 3,
    }
    assert all(call.start_time <= span.start_time <= span.end_time <= call.end_time for span in attempts)


async def test_a_call_that_fails_is_a_span_with_the_class_of_its_error(exports: Exports) -> None:
    """Its status is ERROR, and its error.type the class of the error, also where nothing was sent."""
    async with wxcv.Session(STATIC, base_url="http://127.0.0.1:9", retries=QUICK, **exports.hooks) as session:
        with pytest.raises(wxcv.EmptyImageError):
            await session.scan_qrcode(b"")
        with pytest.raises(wxcv.ConnectError):
            await session.printed_text(PICTURE)

    spans = exports.spans()
    told = [(span.name, (span.attributes or {}).get("error.type")) for span in spans]
    assert told[0] == ("scan_qrcode", "EmptyImageError")
    assert set(told[1:-1]) == {("POST /cv/ocr/comm", "ConnectError")}
    assert told[-1] == ("printed_text", "ConnectError")
    assert {span.status.status_code.name for span in spans} == {"ERROR"}


async def test_a_cancelled_call_is_no_error_but_its_attempt_is(exports: Exports) -> None:
    """The span of a call that its caller cancelled ends without an error; its request had no response."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, wxcv.Session(STATIC, base_url=url, **exports.hooks) as session:
        call = asyncio.create_task(session.scan_qrcode(PICTURE))
        await server.arrived.acquire()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.go.set()

    assert [
        (span.name, span.status.status_code.name, (span.attributes or {}).get("error.type"))
        for span in exports.spans()
    ] == [(f"POST {QRCODE}", "ERROR", "CancelledError"), ("scan_qrcode", "UNSET", None)]


async def test_the_images_of_a_batch_are_children_of_its_caller(exports: Exports) -> None:
    """Each image of a batch is a span below the caller's, and none below another image."""
    server = Server()
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, concurrency=2, **exports.hooks) as session,
    ):
        with exports.tracer.start_as_current_span("job"):
            async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 10) as batch:
                assert [outcome.status async for outcome in batch] == ["ok"] * 10

    counted = sorted(parents(exports.spans()), key=str)
    assert (
        counted == [(f"POST {QRCODE}", "scan_qrcode")] * 10 + [("job", None)] + [("scan_qrcode", "job")] * 10
    )


async def test_calls_that_share_a_send_are_spans_of_their_own(exports: Exports) -> None:
    """Of three calls of the same image, the one that began the send has the attempt."""
    server = Server(is_held=True)
    async with api_server(server.call) as url, make_cached_session(url, **exports.hooks) as session:
        calls = await start_calls(3, session)
        server.go.set()
        await asyncio.gather(*calls)

    attempts = [span for span in exports.spans() if span.name.startswith("POST")]
    sends = {
        span.context.span_id: (span.attributes or {})["wxcv.sends"]
        for span in exports.spans()
        if span not in attempts and span.context is not None
    }
    assert sorted(sends.values()) == [0, 0, 1]
    assert [sends[span.parent.span_id] for span in attempts if span.parent] == [1]


async def test_what_a_call_runs_is_below_its_span(exports: Exports) -> None:
    """A span that a token function begins is a child of the call that needed the token."""
    server = Server()

    async def get_token(_refused: str | None) -> wxcv.AccessToken:
        with exports.tracer.start_as_current_span("vault"):
            return wxcv.AccessToken("t", 7200.0)

    async with (
        api_server(server.call) as url,
        wxcv.Session(wxcv.CallbackCredential(get_token), base_url=url, **exports.hooks) as session,
    ):
        await session.scan_qrcode(PICTURE)

    assert ("vault", "scan_qrcode") in parents(exports.spans())


async def test_metrics_tell_of_calls_attempts_and_sessions(box: Sandbox, exports: Exports) -> None:
    """Histograms count attempts and calls; counters and gauges read the session when they are collected."""
    box.fail_next(QRCODE, Fault(status=503))
    credential = wxcv.AppCredential(box.appid, box.secret)
    limits = wxcv.DailyLimits({wxcv.SCAN_QRCODE: 9})
    async with wxcv.Session(
        credential, base_url=box.base_url, retries=QUICK, daily_limits=limits, **exports.hooks
    ) as session:
        with exports.telemetry.watch(session, "web"):
            await session.scan_qrcode(PICTURE)
            await session.scan_qrcode(BLANK)
            quota = await session.quota(wxcv.SCAN_QRCODE)
            exports.telemetry.set_quota(wxcv.SCAN_QRCODE, quota, "web")
            told = exports.metrics()
        server = urlsplit(box.base_url)
        after = exports.metrics()

    request = {
        "http.request.method": "POST",
        "url.template": QRCODE,
        "server.address": server.hostname,
        "server.port": server.port,
    }
    web, path = {"wxcv.session": "web"}, {"wxcv.session": "web", "url.template": QRCODE}
    call = {"wxcv.endpoint": "scan_qrcode", "wxcv.status": "ok", "wxcv.source": "wechat"}
    expected = {
        "http.client.request.duration": [
            ({**request, "http.response.status_code": 503, "error.type": "503"}, 1),
            ({**request, "http.response.status_code": 200}, 2),
        ],
        "wxcv.call.duration": [(call, 2)],
        "wxcv.calls.running": [(web, 0)],
        "wxcv.calls.waiting": [(web, 0)],
        "wxcv.sends": [(path, 3)],
        "wxcv.retries": [(web, 1)],
        "wxcv.token.refreshes": [(web, 1)],
        "wxcv.sent_size": [(web, 2 * len(PICTURE) + len(BLANK))],
        "wxcv.sends_left": [(path, 6)],
        "wxcv.quota.remaining": [({"wxcv.session": "web", "wxcv.endpoint": "scan_qrcode"}, quota.remain)],
        "wxcv.quota.limit": [({"wxcv.session": "web", "wxcv.endpoint": "scan_qrcode"}, quota.daily_limit)],
    }
    assert told == expected
    assert after["wxcv.sends"] == expected["wxcv.sends"]
    assert "wxcv.sends_left" not in after
    documented = [line.split("|")[1] for line in (opentelemetry.__doc__ or "").splitlines() if "| `" in line]
    assert set(expected) == {name for cell in documented for name in cell.strip(" `").split("`, `")}


async def test_what_runs_and_waits_is_told_as_it_is_then(exports: Exports) -> None:
    """Each collection tells how many calls run and wait at that moment."""
    server = Server(is_held=True)
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, concurrency=2, **exports.hooks) as session,
    ):
        exports.telemetry.watch(session)
        calls = [asyncio.create_task(session.scan_qrcode(PICTURE)) for _ in range(5)]
        await wait_until(lambda: session.stats().waiting == 3)
        told = exports.metrics()
        server.go.set()
        await asyncio.gather(*calls)

    assert [told[name][0][1] for name in ("wxcv.calls.running", "wxcv.calls.waiting")] == [2, 3]


async def test_nothing_that_is_exported_shows_a_secret_or_an_image(exports: Exports) -> None:
    """Neither token, secret, URL, name of a file nor text of a server is exported, whatever fails."""
    server = Server(40001, f"invalid {TOKEN}")
    options: dict[str, Any] = {"retries": QUICK, **exports.hooks}
    async with (
        api_server(server.call) as url,
        wxcv.Session(APP, base_url=url, **options) as session,
        wxcv.Session(APP, base_url="http://127.0.0.1:9", **options) as unreachable,
    ):
        exports.telemetry.watch(session)
        for one in (session, unreachable):
            for image in (PICTURE, "https://example.com/?sign=MARKED", "MARKED.png"):
                with pytest.raises(wxcv.WxcvError):
                    await one.scan_qrcode(image)

    assert "TokenRejectedError" in exports.text()
    assert "MARKED" not in exports.text()
    assert "example.com" not in exports.text()


async def test_on_call_alone_is_no_fault(exports: Exports, caplog: pytest.LogCaptureFixture) -> None:
    """A session that is given on_call only has metrics, and no spans of calls."""
    server = Server()
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, on_call=exports.telemetry.on_call) as session,
    ):
        await session.scan_qrcode(PICTURE)

    assert (exports.spans(), caplog.text) == ([], "")
    assert exports.metrics()["wxcv.call.duration"][0][1] == 1


async def test_the_program_in_the_docstring_runs(box: Sandbox, tmp_path: Path) -> None:
    """The example prints the spans of its call and its attempt."""
    printed = await run_program(opentelemetry, box, tmp_path)
    spans = [json.loads(part + "}") for part in printed.split("\n}\n")[:-1]]

    assert [span["name"] for span in spans] == [f"POST {QRCODE}", "scan_qrcode"]


def test_without_the_extra_the_import_says_what_to_install() -> None:
    """Without opentelemetry-api, the module names the command that installs it."""
    told = import_without("opentelemetry", "wxcv.integrations.opentelemetry")

    assert 'python -m pip install "wxcv[opentelemetry]"' in told
