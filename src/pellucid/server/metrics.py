"""What the service counts, for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

from pellucid import __version__
from pellucid.server.workers.pool import Pool
from pellucid.server.workers.tasks import Order

MEDIA_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        """Start at zero."""
        registry = self._registry = CollectorRegistry()
        timed: dict[str, Any] = {"buckets": SECONDS, "registry": registry}
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "pellucid_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        words = "Seconds until a request was answered."
        self._request_seconds = Histogram("pellucid_request_seconds", words, ["route"], **timed)
        self._orders = Counter("pellucid_orders", "Images worked on.", ["kind", "outcome"], registry=registry)
        self._order_seconds = Histogram("pellucid_order_seconds", "Seconds of work on an image.", ["kind"], **timed)
        self._pixels = Counter("pellucid_pixels", "Pixels worked on, over all frames.", registry=registry)

    def watch(self, pool: Pool) -> None:
        """Show what a pool is doing."""
        self._registry.register(_Gauges(pool))

    def gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        """Show a value that is read whenever the metrics are."""
        self._registry.register(_Gauge(name, words, value))

    def note_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request, by the route that answered it and never by its path, of which there is no end."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def note_order(self, order: Order, outcome: str, facts: dict[str, Any]) -> None:
        """Count an order that has ended as `done`, `refused`, `failed` or `cancelled`."""
        self._orders.labels(order.kind, outcome).inc()
        if facts:
            self._order_seconds.labels(order.kind).observe(facts["seconds"])
            self._pixels.inc(facts["width"] * facts["height"] * facts["frames"])

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield what the pool is doing."""
        pool = self._pool
        yield GaugeMetricFamily("pellucid_waiting", "Images that wait for a worker.", pool.waiting)
        yield GaugeMetricFamily("pellucid_working", "Images that workers are at.", pool.working)
        yield GaugeMetricFamily("pellucid_workers_up", "Workers that are alive.", pool.up)
        words = "Workers that ended and were replaced."
        yield CounterMetricFamily("pellucid_workers_replaced", words, pool.replaced)
        info = GaugeMetricFamily("pellucid_info", "The version that runs.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info


class _Gauge(Collector):
    def __init__(self, name: str, words: str, value: Callable[[], float]) -> None:
        self._name, self._words, self._value = name, words, value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the value."""
        yield GaugeMetricFamily(self._name, self._words, self._value())
