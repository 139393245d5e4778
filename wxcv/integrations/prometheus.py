"""Metrics of wxcv for Prometheus (extra: ``prometheus``).

::

    import asyncio

    from prometheus_client import CollectorRegistry, generate_latest

    import wxcv
    from wxcv.integrations.prometheus import SessionMetrics

    async def main() -> None:
        registry = CollectorRegistry()  # or prometheus_client.REGISTRY
        metrics = SessionMetrics(registry)
        async with wxcv.Session.from_env(**metrics.hooks) as session:
            with metrics.watch(session):
                await session.scan_qrcode("parcel.jpg")
        print(generate_latest(registry).decode())

    asyncio.run(main())

Make one SessionMetrics for all sessions of a process. These are its metrics:

| metric | labels | what it is |
|---|---|---|
| `wxcv_calls_total` | `endpoint`, `source`, `status` | calls that ended; see `wxcv.CallEvent` |
| `wxcv_call_duration_seconds` | `endpoint`, `status` | histogram: from when a call got its slot to its end |
| `wxcv_attempts_total` | `path`, `error` | attempts that ended; `error` is the class of the error, or empty |
| `wxcv_running_calls` | `session` | calls that hold a slot now |
| `wxcv_waiting_calls` | `session` | calls that wait for a slot now |
| `wxcv_sends_total` | `session`, `path` | how many times an image was sent, in full or in part |
| `wxcv_retries_total` | `session` | the sends after the first one of each call |
| `wxcv_token_refreshes_total` | `session` | token refreshes that were started |
| `wxcv_sent_bytes_total` | `session` | the size of the images that were sent |
| `wxcv_sends_left` | `session`, `path` | what a daily limit leaves; see `wxcv.SessionStats` |
| `wxcv_quota_remaining`, `wxcv_quota_limit` | `session`, `endpoint` | WeChat's numbers, see `set_quota` |

`source` is empty for a call without an answer. `session` is the name that was given to `watch`. No label
tells of an account or an image, or repeats what a server said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from wxcv.integrations.session_totals import SessionTotals

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as missing:
    raise ImportError(
        f"wxcv.integrations.prometheus needs {missing.name} from the extra prometheus: "
        'python -m pip install "wxcv[prometheus]"'
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric
    from prometheus_client.metrics import MetricWrapperBase

    import wxcv
    from wxcv.integrations.session_totals import Watch

BUCKETS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
"""The upper bounds of the histogram's buckets, in seconds."""


class Hooks(TypedDict):
    """The arguments of Session that a SessionMetrics needs."""

    on_attempt: Callable[[wxcv.AttemptEvent], object]
    on_call: Callable[[wxcv.CallEvent], object]


class SessionMetrics:
    """The metrics of all sessions of a process, in one registry.

    Args:
        registry: the registry to which the metrics are added.
        buckets: the upper bounds of the histogram's buckets, in seconds.

    Raises:
        ValueError: the registry has metrics of these names already, such as those of another SessionMetrics.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, buckets: Sequence[float] = BUCKETS) -> None:
        self._calls = Counter(
            "wxcv_calls", "Calls that ended.", ("endpoint", "source", "status"), registry=None
        )
        self._seconds = Histogram(
            "wxcv_call_duration_seconds",
            "The time from when a call got its slot to its end.",
            ("endpoint", "status"),
            buckets=buckets,
            registry=None,
        )
        self._attempts = Counter("wxcv_attempts", "Attempts that ended.", ("path", "error"), registry=None)
        labels = ("session", "endpoint")
        self._remaining = Gauge("wxcv_quota_remaining", "What is left of a quota.", labels, registry=None)
        self._limit = Gauge(
            "wxcv_quota_limit", "The calls of a day that WeChat allows.", labels, registry=None
        )
        self._totals = SessionTotals()
        self._registry = registry
        events = (self._calls, self._seconds, self._attempts, self._remaining, self._limit)
        self._collector = _TotalsCollector(self._totals, events)
        try:
            registry.register(self._collector)
        except ValueError:
            raise ValueError(
                "the registry has metrics of these names already; use one SessionMetrics for all sessions"
            ) from None

    @property
    def hooks(self) -> Hooks:
        """The arguments for every Session: ``wxcv.Session(credential, **metrics.hooks)``."""
        return {"on_attempt": self.on_attempt, "on_call": self.on_call}

    def on_attempt(self, event: wxcv.AttemptEvent) -> None:
        """Count an attempt."""
        self._attempts.labels(event.path, event.error or "").inc()

    def on_call(self, event: wxcv.CallEvent) -> None:
        """Count a call, and observe its seconds."""
        self._calls.labels(event.endpoint, event.source or "", event.status).inc()
        self._seconds.labels(event.endpoint, event.status).observe(event.seconds)

    def watch(self, session: wxcv.Session, name: str = "default") -> Watch:
        """Read ``session.stats()`` whenever the metrics are collected, in whatever thread.

        Sessions with the same name are added up. What a session did is counted until the process ends, also
        after the Watch that is returned has been closed, which frees the session.

        Args:
            session: the session, but not one of its ``on_behalf_of``, which have the same statistics.
            name: the label ``session``.

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
            name: the label ``session``.
        """
        self._remaining.labels(name, endpoint.name).set(quota.remain)
        self._limit.labels(name, endpoint.name).set(quota.daily_limit)

    def close(self) -> None:
        """Remove the metrics from the registry; to be called once."""
        self._registry.unregister(self._collector)


class _TotalsCollector(Collector):
    """Gives all metrics to a registry: those of events as they are, those of sessions as they are then."""

    def __init__(self, totals: SessionTotals, events: Iterable[MetricWrapperBase]) -> None:
        self._totals = totals
        self._events = tuple(events)

    def describe(self) -> Iterator[Metric]:
        for metric in self._events:
            yield from metric.describe()
        yield from _make_families({})

    def collect(self) -> Iterator[Metric]:
        for metric in self._events:
            yield from metric.collect()
        yield from _make_families(self._totals.collect())


def _make_families(totals: dict[str, wxcv.SessionStats]) -> Iterator[Metric]:
    """Yield the metrics of sessions, from their statistics by name."""
    by_session, by_path = ("session",), ("session", "path")
    running = GaugeMetricFamily("wxcv_running_calls", "Calls that hold a slot now.", labels=by_session)
    waiting = GaugeMetricFamily("wxcv_waiting_calls", "Calls that wait for a slot now.", labels=by_session)
    sends = CounterMetricFamily("wxcv_sends", "How many times an image was sent.", labels=by_path)
    retries = CounterMetricFamily("wxcv_retries", "Sends after the first one of a call.", labels=by_session)
    refreshes = CounterMetricFamily("wxcv_token_refreshes", "Token refreshes.", labels=by_session)
    sent = CounterMetricFamily("wxcv_sent_bytes", "The size of the images that were sent.", labels=by_session)
    left = GaugeMetricFamily("wxcv_sends_left", "What is left of a daily limit.", labels=by_path)
    for name, stats in totals.items():
        running.add_metric([name], stats.running)
        waiting.add_metric([name], stats.waiting)
        retries.add_metric([name], stats.retries)
        refreshes.add_metric([name], stats.refreshes)
        sent.add_metric([name], stats.bytes_sent)
        for path, count in stats.sends_by_endpoint.items():
            sends.add_metric([name, path], count)
        for path, count in stats.sends_left_by_endpoint.items():
            left.add_metric([name, path], count)
    yield from (running, waiting, sends, retries, refreshes, sent, left)
