"""The metrics and their names."""

from pathlib import Path
from types import SimpleNamespace

from pellucid.server.metrics import Metrics
from pellucid.server.workers.tasks import WorkRequest

METADATA = {"width": 4, "height": 5, "frames": 3, "seconds": 0.2}


def values(metrics: Metrics) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in metrics.text().decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_work_is_counted_with_its_pixels():
    metrics = Metrics()
    request = WorkRequest("denoise", Path("a"))
    metrics.count_work(request, "done", METADATA)
    metrics.count_work(request, "refused", {})
    found = values(metrics)
    assert found['pellucid_work_requests_total{kind="denoise",outcome="done"}'] == 1
    assert found['pellucid_work_requests_total{kind="denoise",outcome="refused"}'] == 1
    assert found["pellucid_pixels_total"] == 60
    assert found['pellucid_work_seconds_count{kind="denoise"}'] == 1


def test_requests_are_counted_by_route_and_never_by_path():
    metrics = Metrics()
    for path, route in (("/v1/jobs/1", "/v1/jobs/{id}"), ("/v1/jobs/2", "/v1/jobs/{id}"), ("/x", None)):
        scope = {"path": path, "method": "GET"} | ({"route": SimpleNamespace(path=route)} if route else {})
        metrics.count_request(scope, 200, 0.1)
    metrics.count_request({"path": "/y", "method": "EVIL"}, 405, 0.1)
    found = values(metrics)
    assert found['pellucid_requests_total{method="GET",route="/v1/jobs/{id}",status="200"}'] == 2
    assert found['pellucid_requests_total{method="GET",route="none",status="200"}'] == 1
    assert found['pellucid_requests_total{method="other",route="none",status="405"}'] == 1


def test_the_state_of_the_pool_is_read_with_the_metrics():
    metrics = Metrics()
    pool = SimpleNamespace(waiting=1, working=2, num_alive=3, num_replaced=4)
    metrics.add_pool(pool)  # type: ignore[arg-type]
    metrics.gauge("pellucid_jobs", "Jobs.", lambda: 5)
    names = ("pellucid_waiting", "pellucid_working", "pellucid_workers_up", "pellucid_workers_replaced_total")
    found = values(metrics)
    assert [found[name] for name in (*names, "pellucid_jobs")] == [1, 2, 3, 4, 5]
    pool.waiting = 7
    assert values(metrics)["pellucid_waiting"] == 7
