"""Traces and metrics of wxcv for OpenTelemetry (extra: ``opentelemetry``, which is the API only).

::

    import asyncio

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    import wxcv
    from wxcv.integrations.opentelemetry import Telemetry

    async def main() -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        telemetry = Telemetry(provider)  # Telemetry() uses the global providers
        async with wxcv.Session.from_env(**telemetry.hooks) as session:
            with telemetry.watch(session):
                await session.scan_qrcode("parcel.jpg")

    asyncio.run(main())

Make one Telemetry for all sessions of a process.

A call, or an image of a batch, is a span with the name of its endpoint, and a child of the span that is
current where it begins. It is the current span for what the call runs, such as your token functions and
answer sources. Its attributes are ``wxcv.endpoint``, ``wxcv.status``, ``wxcv.source``, ``wxcv.sends``,
``wxcv.queued`` (seconds) and, for an error, ``error.type``; see ``wxcv.CallEvent``.

Each attempt is a child of it, by the conventions for HTTP client spans: ``http.request.method``,
``url.template``, ``server.address``, ``server.port``, ``http.response.status_code``,
``http.request.resend_count`` and ``error.type``, and also ``wxcv.errcode`` and ``wxcv.image.size`` (bytes).
There is no ``url.full``.

| metric | attributes | what it is |
|---|---|---|
| `http.client.request.duration` | as those of the span | histogram: seconds of an attempt |
| `wxcv.call.duration` | `wxcv.endpoint`, `wxcv.status`, `wxcv.source`, `error.type` | histogram: seconds |
| `wxcv.calls.running`, `wxcv.calls.waiting` | `wxcv.session` | calls that hold or wait for a slot now |
| `wxcv.sends` | `wxcv.session`, `url.template` | how many times an image was sent, in full or in part |
| `wxcv.retries` | `wxcv.session` | the sends after the first one of each call |
| `wxcv.token.refreshes` | `wxcv.session` | token refreshes that were started |
| `wxcv.sent_size` | `wxcv.session` | the size of the images that were sent, in bytes |
| `wxcv.sends_left` | `wxcv.session`, `url.template` | what a daily limit leaves; see `wxcv.SessionStats` |
| `wxcv.quota.remaining`, `wxcv.quota.limit` | `wxcv.session`, `wxcv.endpoint` | see `set_quota` |

Neither spans nor metrics tell of an account or an image, or repeat a server's words. **An instrumentation of
aiohttp's client records URLs with the access_token.** Exclude wxcv's requests from it with
``OTEL_PYTHON_AIOHTTP_CLIENT_EXCLUDED_URLS=/cv/,/cgi-bin/`` in the environment.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

import wxcv
from wxcv.integrations.session_totals import SessionTotals

try:
    from opentelemetry import context, metrics, trace
except ImportError as missing:
    raise ImportError(
        f"wxcv.integrations.opentelemetry needs {missing.name} from the extra opentelemetry: "
        'python -m pip install "wxcv[opentelemetry]"'
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextvars import Token

    from wxcv.integrations.session_totals import Watch

    Value = str | int | float

_REQUEST_BUCKETS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
)  # the convention's
_CALL_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
_HTTP_ERROR = 400
_PORTS = {"http": 80, "https": 443}
_NO_ERROR = {"ok", "cancelled"}
_NANOSECONDS = 1_000_000_000


class Hooks(TypedDict):
    """The arguments of Session that a Telemetry needs."""

    on_call_start: Callable[[wxcv.CallStart], object]
    on_attempt: Callable[[wxcv.AttemptEvent], object]
    on_call: Callable[[wxcv.CallEvent], object]


class _RunningCall:
    """A call in the context of its span, and what ends that context."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        self.token: Token[context.Context]


class Telemetry:
    """The spans and metrics of all sessions of a process.

    Args:
        tracer_provider: makes the tracer; None is the global one.
        meter_provider: makes the meter; None is the global one.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("wxcv", wxcv.__version__, tracer_provider)
        meter = metrics.get_meter("wxcv", wxcv.__version__, meter_provider)
        self._request_seconds = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_REQUEST_BUCKETS,
        )
        self._call_seconds = meter.create_histogram(
            "wxcv.call.duration",
            "s",
            "The time from when a call got its slot to its end.",
            explicit_bucket_boundaries_advisory=_CALL_BUCKETS,
        )
        self._remaining = meter.create_gauge("wxcv.quota.remaining", "{call}", "What is left of a quota.")
        self._limit = meter.create_gauge(
            "wxcv.quota.limit", "{call}", "The calls of a day that WeChat allows."
        )
        self._running_call = context.create_key("wxcv-running-call")
        self._totals = SessionTotals()
        _observe(meter, self._totals)

    @property
    def hooks(self) -> Hooks:
        """The arguments for every Session: ``wxcv.Session(credential, **telemetry.hooks)``."""
        return {"on_call_start": self.on_call_start, "on_attempt": self.on_attempt, "on_call": self.on_call}

    def on_call_start(self, start: wxcv.CallStart) -> None:
        """Start the span of a call, and make it the current one."""
        span = self._tracer.start_span(start.endpoint, attributes={"wxcv.endpoint": start.endpoint})
        running = _RunningCall(span)
        inside = context.set_value(self._running_call, running, trace.set_span_in_context(span))
        running.token = context.attach(inside)

    def on_attempt(self, event: wxcv.AttemptEvent) -> None:
        """Record the span and the seconds of an attempt."""
        described = _describe_request(event.path, event.base_url)
        ended_at = time.time_ns()
        span = self._tracer.start_span(
            f"POST {event.path}",
            kind=trace.SpanKind.CLIENT,
            attributes=described,
            start_time=ended_at - int(event.seconds * _NANOSECONDS),
        )
        outcome = _describe_outcome(event)
        span.set_attributes(outcome)
        span.set_attribute("wxcv.image.size", event.bytes)
        if event.attempt > 1:
            span.set_attribute("http.request.resend_count", event.attempt - 1)
        if event.errcode is not None:
            span.set_attribute("wxcv.errcode", event.errcode)
        if event.error is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end(ended_at)
        self._request_seconds.record(event.seconds, {**described, **outcome})

    def on_call(self, event: wxcv.CallEvent) -> None:
        """End the span of a call, and record its seconds."""
        outcome: dict[str, Value] = {"wxcv.status": event.status}
        if event.source is not None:
            outcome["wxcv.source"] = event.source
        if event.error is not None:
            outcome["error.type"] = event.error
        self._call_seconds.record(event.seconds, {"wxcv.endpoint": event.endpoint, **outcome})
        running: Any = context.get_value(self._running_call)
        if running is None:  # the session was not given on_call_start
            return
        running.span.set_attributes({**outcome, "wxcv.sends": event.sends, "wxcv.queued": event.queued})
        if event.status not in _NO_ERROR:
            running.span.set_status(trace.StatusCode.ERROR)
        running.span.end()
        context.detach(running.token)

    def watch(self, session: wxcv.Session, name: str = "default") -> Watch:
        """Read ``session.stats()`` whenever the metrics are collected, in whatever thread.

        Sessions with the same name are added up. What a session did is counted until the process ends, also
        after the Watch that is returned has been closed, which frees the session.

        Args:
            session: the session, but not one of its ``on_behalf_of``, which have the same statistics.
            name: the attribute ``wxcv.session``.

        Raises:
            TypeError: an argument is unusable.
            ValueError: the session is being watched already.
        """
        return self._totals.watch(session, name)

    def set_quota(self, endpoint: wxcv.Endpoint[Any], quota: wxcv.Quota, name: str = "default") -> None:
        """Set what WeChat says of an endpoint's quota, which is shown until it is set again.

        Args:
            endpoint: the endpoint.
            quota: the quota, as ``await session.quota(endpoint)`` returns it.
            name: the attribute ``wxcv.session``.
        """
        attributes = {"wxcv.session": name, "wxcv.endpoint": endpoint.name}
        self._remaining.set(quota.remain, attributes)
        self._limit.set(quota.daily_limit, attributes)


@lru_cache(maxsize=256)
def _describe_request(path: str, base_url: str) -> Mapping[str, Value]:
    """Return the attributes of a request that are known before it is sent."""
    parts = urlsplit(base_url)
    return {
        "http.request.method": "POST",
        "url.template": path,
        "server.address": parts.hostname or "",
        "server.port": parts.port or _PORTS[parts.scheme],
    }


def _describe_outcome(event: wxcv.AttemptEvent) -> dict[str, Value]:
    """Return the attributes of a request that its response, or its failure, tells."""
    outcome: dict[str, Value] = {}
    if event.status is not None:
        outcome["http.response.status_code"] = event.status
    if event.error is not None:
        is_http_error = event.status is not None and event.status >= _HTTP_ERROR
        outcome["error.type"] = str(event.status) if is_http_error else event.error
    return outcome


def _observe(meter: metrics.Meter, totals: SessionTotals) -> None:
    """Make the instruments that read the statistics of sessions when they are collected."""

    def read(get: Callable[[wxcv.SessionStats], int]) -> Callable[..., Iterator[metrics.Observation]]:
        def observe(_options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for name, stats in totals.collect().items():
                yield metrics.Observation(get(stats), {"wxcv.session": name})

        return observe

    def read_paths(
        get: Callable[[wxcv.SessionStats], Mapping[str, int]],
    ) -> Callable[..., Iterator[metrics.Observation]]:
        def observe(_options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for name, stats in totals.collect().items():
                for path, count in get(stats).items():
                    yield metrics.Observation(count, {"wxcv.session": name, "url.template": path})

        return observe

    up_down, counter = meter.create_observable_up_down_counter, meter.create_observable_counter
    up_down("wxcv.calls.running", [read(lambda stats: stats.running)], "{call}", "Calls that hold a slot.")
    up_down(
        "wxcv.calls.waiting", [read(lambda stats: stats.waiting)], "{call}", "Calls that wait for a slot."
    )
    counter("wxcv.sends", [read_paths(lambda stats: stats.sends_by_endpoint)], "{send}", "Sends of an image.")
    counter("wxcv.retries", [read(lambda stats: stats.retries)], "{send}", "Sends after the first of a call.")
    counter("wxcv.token.refreshes", [read(lambda stats: stats.refreshes)], "{refresh}", "Token refreshes.")
    counter("wxcv.sent_size", [read(lambda stats: stats.bytes_sent)], "By", "The size of the images sent.")
    left = [read_paths(lambda stats: stats.sends_left_by_endpoint)]
    meter.create_observable_gauge("wxcv.sends_left", left, "{send}", "What is left of a daily limit.")
