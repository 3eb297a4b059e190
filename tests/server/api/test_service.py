"""Health, metrics and the available models."""

import hashlib
import time

from pellucid.server.api.service import _card
from pellucid.weights import catalog


def test_health(service):
    assert service.client.get("/healthz").json() == {"status": "alive"}
    assert service.client.get("/readyz").json() == {"status": "ready"}


def test_the_metrics_count_the_work(service, picture):
    done = 'pellucid_work_requests_total{kind="denoise",outcome="done"}'
    refused = 'pellucid_work_requests_total{kind="denoise",outcome="refused"}'
    answered = 'pellucid_requests_total{method="POST",route="/v1/denoise",status="200"}'
    before = [service.metric(name) for name in (done, refused, answered, "pellucid_pixels_total")]
    service.client.post("/v1/denoise", content=picture(size=(10, 20))).raise_for_status()
    assert service.client.post("/v1/denoise", content=picture()[:-50]).status_code == 422
    after = [service.metric(name) for name in (done, refused, answered, "pellucid_pixels_total")]
    assert [one - other for one, other in zip(after, before, strict=True)] == [1, 1, 1, 200]
    assert service.metric("pellucid_workers_up") == 1 and service.metric("pellucid_waiting") == 0


def test_unknown_paths_are_counted_together(service):
    for number in range(3):
        assert service.client.get(f"/nothing/{number}").status_code == 404
    text = service.client.get("/metrics").text
    assert "/nothing" not in text and 'route="none",status="404"' in text


def test_a_wrong_method_is_answered_with_the_allowed_ones(service):
    refused = service.client.put("/v1/jobs/0123456789abcdef0123456789abcdef")
    assert refused.status_code == 405 and refused.headers["allow"] == "DELETE, GET"
    assert service.client.put("/nothing").json()["detail"].startswith("There is nothing here")


def test_requests_are_logged_without_file_names(service, picture):
    headers = {"X-Request-ID": "find-me"}
    service.client.post("/v1/denoise", files={"file": ("secret-name.png", picture())}, headers=headers)
    while not (lines := [line for line in service.log.splitlines() if "find-me" in line]):
        time.sleep(0.01)
    (line,) = lines
    assert "POST /v1/denoise 200" in line and "secret-name" not in service.log


def test_available_models_are_listed_with_the_limits(service, exported, reader):
    found = service.client.get("/v1/models").raise_for_status().json()
    (denoiser,), (classifier,) = found["denoisers"], found["classifiers"]
    assert denoiser["name"] == "small" and denoiser["default"] and denoiser["channels"] == [3]
    assert denoiser["conditional"] and denoiser["card"] is None
    assert denoiser["sha256"] == {exported.name: hashlib.sha256(exported.read_bytes()).hexdigest()}
    assert classifier["name"] == "brightness" and list(classifier["sha256"]) == [reader.name]
    assert {"PNG", "JPEG", "TIFF"} <= set(found["formats"])
    assert found["limits"]["max_bytes"] == 1_000_000 and found["limits"]["max_batch_bytes"] == 3_000_000
    assert found["limits"]["max_frames"] == 5


def test_a_shipped_network_comes_with_its_card():
    found = _card("photo")
    card = catalog.cards()["photo"]
    assert found["summary"] == card["summary"] and found["license"] == card["license"]
    assert found["sha256"] == card["sha256"] and found["card"]["limits"] == card["limits"]


def test_the_model_that_trains_on_each_image_has_no_file():
    assert _card("self")["sha256"] == {}
