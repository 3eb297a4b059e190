"""The service as a process: started, refused, with clients that disconnect, stopped."""

import socket
import subprocess
import sys
import threading
import time

import imagecodecs
import numpy as np
import pytest


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> bytes:
    """An image that takes a worker seconds."""
    path = tmp_path_factory.mktemp("large") / "a.png"
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    path.write_bytes(imagecodecs.png_encode(pixels, level=1))
    return path.read_bytes()


@pytest.fixture(scope="module")
def strict(serving):
    """A service with a token behind a proxy's path, little memory and no queue."""
    service = serving("--token", "secret", "--root-path", "/pellucid", "--memory-limit", "700M", "--queue-length", "0")
    service.client.headers["Authorization"] = "Bearer secret"
    return service


def until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition did not become true")


def start_work(service, content: bytes) -> socket.socket:
    """Send an image, and return the connection, without reading from it, once a worker processes the image."""
    host, port = service.address.removeprefix("http://").removesuffix("/pellucid").split(":")
    line = socket.create_connection((host, int(port)), timeout=60)
    head = f"POST /v1/denoise HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
    line.sendall(f"{head}Authorization: Bearer secret\r\nConnection: close\r\n\r\n".encode() + content)
    until(lambda: service.metric("pellucid_working") == 1)
    return line


def test_a_client_that_disconnects_stops_the_work(strict, large):
    cancelled = 'pellucid_work_requests_total{kind="denoise",outcome="cancelled"}'
    before = strict.metric(cancelled)
    start_work(strict, large).close()
    until(lambda: strict.metric(cancelled) == before + 1)
    until(lambda: strict.client.get("/readyz").status_code == 200)


def test_a_full_queue_answers_with_429(strict, large, picture):
    with start_work(strict, large):
        refused = strict.client.post("/v1/denoise", content=picture())
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        unready = strict.client.get("/readyz")
        assert unready.status_code == 503 and "full" in unready.json()["detail"]
        assert strict.client.get("/healthz").json() == {"status": "alive"}
    until(lambda: strict.client.get("/readyz").status_code == 200)


@pytest.mark.slow
def test_an_image_that_needs_too_much_memory_is_refused_and_the_next_is_done(strict, picture):
    content = imagecodecs.png_encode(np.zeros((9999, 9999, 3), np.uint8))
    refused = strict.client.post("/v1/denoise", content=content)
    assert refused.status_code == 413 and "memory" in refused.json()["detail"], refused.text
    until(lambda: strict.client.get("/readyz").status_code == 200)
    assert strict.client.post("/v1/denoise", content=picture()).status_code == 200


def test_the_token_is_required(strict):
    import httpx

    assert httpx.get(f"{strict.address}/v1/models").status_code == 401
    assert httpx.get(strict.address.removesuffix("/pellucid") + "/healthz").status_code == 200
    assert "secret" not in strict.log


def test_two_services_cannot_share_a_spool(strict):
    command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--spool", str(strict.spool)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "another pellucid serve" in done.stderr


def test_a_port_in_use_is_named(strict, tmp_path):
    port = strict.address.removesuffix("/pellucid").rpartition(":")[2]
    command = [sys.executable, "-m", "pellucid", "serve", "--port", port, "--spool", str(tmp_path / "spool")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and f"port {port}" in done.stderr


def test_on_a_signal_running_work_is_finished(serving, large):
    service = serving("--token", "secret")
    service.client.headers["Authorization"] = "Bearer secret"
    with start_work(service, large) as line:
        stopped = []
        stopping = threading.Thread(target=lambda: stopped.append(service.stop()))
        stopping.start()
        answer = b"".join(iter(lambda: line.recv(1 << 20), b""))
        stopping.join()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and len(imagecodecs.png_decode(body)) == 2000
    assert stopped == [0] and "Traceback" not in service.log
