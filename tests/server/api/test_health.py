"""Whether the service lives, can work, and what it has done."""

import time


def test_it_lives_and_is_ready(service):
    assert service.client.get("/healthz").json() == {"status": "alive"}
    assert service.client.get("/readyz").json() == {"status": "ready"}


def test_the_metrics_count_what_is_done(service, picture):
    done = 'pellucid_orders_total{kind="denoise",outcome="done"}'
    refused = 'pellucid_orders_total{kind="denoise",outcome="refused"}'
    answered = 'pellucid_requests_total{method="POST",route="/v1/denoise",status="200"}'
    before = [service.metric(name) for name in (done, refused, answered, "pellucid_pixels_total")]
    service.client.post("/v1/denoise", content=picture(size=(10, 20))).raise_for_status()
    assert service.client.post("/v1/denoise", content=picture()[:-50]).status_code == 422
    after = [service.metric(name) for name in (done, refused, answered, "pellucid_pixels_total")]
    assert [one - other for one, other in zip(after, before, strict=True)] == [1, 1, 1, 200]
    assert service.metric("pellucid_workers_up") == 1 and service.metric("pellucid_waiting") == 0


def test_paths_that_nobody_knows_are_counted_together(service):
    for number in range(3):
        assert service.client.get(f"/nothing/{number}").status_code == 404
    text = service.client.get("/metrics").text
    assert "/nothing" not in text and 'route="none",status="404"' in text


def test_a_method_that_is_not_there_is_answered_with_those_that_are(service):
    refused = service.client.put("/v1/jobs/0123456789abcdef0123456789abcdef")
    assert refused.status_code == 405 and refused.headers["allow"] == "DELETE, GET"
    assert service.client.put("/nothing").json()["detail"].startswith("There is nothing here")


def test_requests_are_logged_without_what_clients_call_their_files(service, picture):
    given = {"X-Request-ID": "find-me"}
    service.client.post("/v1/denoise", files={"file": ("secret-name.png", picture())}, headers=given)
    while not (lines := [line for line in service.log.splitlines() if "find-me" in line]):
        time.sleep(0.01)
    (line,) = lines
    assert "POST /v1/denoise 200" in line and "secret-name" not in service.log
