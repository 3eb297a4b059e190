"""The metrics of the service, for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

from pellucid import __version__
from pellucid.server.workers.pool import Pool
from pellucid.server.workers.tasks import WorkRequest

MEDIA_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """The counters and gauges of one service."""

    def __init__(self) -> None:
        """Start at zero."""
        registry = self._registry = CollectorRegistry()
        timed: dict[str, Any] = {"buckets": SECONDS, "registry": registry}
        ProcessCollector(registry=registry)
        Info("pellucid", "The version of Pellucid.", registry=registry).info({"version": __version__})
        self._requests = Counter(
            "pellucid_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "pellucid_request_seconds", "Seconds until a request was answered.", ["route"], **timed
        )
        self._work_requests = Counter(
            "pellucid_work_requests", "Images processed.", ["kind", "outcome"], registry=registry
        )
        self._work_seconds = Histogram("pellucid_work_seconds", "Seconds of work on an image.", ["kind"], **timed)
        self._pixels = Counter("pellucid_pixels", "Pixels processed, over all frames.", registry=registry)

    def add_pool(self, pool: Pool) -> None:
        """Add the state of a pool."""
        self.gauge("pellucid_waiting", "Images that wait for a worker.", lambda: pool.waiting)
        self.gauge("pellucid_working", "Images that workers process now.", lambda: pool.working)
        self.gauge("pellucid_workers_up", "Workers that are alive.", lambda: pool.num_alive)
        self._registry.register(_Replacements(pool))

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge; `value` is called whenever the metrics are read."""
        Gauge(name, description, registry=self._registry).set_function(value)

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request by its route, and never by its path, since there may be any number of paths."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def count_work(self, request: WorkRequest, outcome: str, metadata: dict[str, Any]) -> None:
        """Count a work request that has ended as `done`, `refused`, `failed` or `cancelled`."""
        self._work_requests.labels(request.kind, outcome).inc()
        if metadata:
            self._work_seconds.labels(request.kind).observe(metadata["seconds"])
            self._pixels.inc(metadata["width"] * metadata["height"] * metadata["frames"])

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _Replacements(Collector):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the number of replaced workers."""
        yield CounterMetricFamily(
            "pellucid_workers_replaced", "Workers that ended and were replaced.", self._pool.num_replaced
        )
