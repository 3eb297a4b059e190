import asyncio
import shutil
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("httpx")

PROBLEM = b'{"type": "about:blank", "title": "No", "status": 422, "detail": "no", "instance": "1"}'
GIVEN = object()

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


class Server(ThreadingHTTPServer):
    """Answers what a function of the body returns: a status, headers, a body."""

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer

    def handle_error(self, request, client_address):
        pass  # wrk leaves in the middle of an answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def do_GET(self):
        self.answered(b"")

    def do_POST(self):
        self.answered(self.rfile.read(int(self.headers["Content-Length"])))

    def answered(self, body):
        status, headers, content = self.server.answer(body)
        self.send_response(status)
        for name, value in ({"X-Request-ID": GIVEN} | headers).items():
            self.send_header(name, self.headers.get("X-Request-ID", "") if value is GIVEN else value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def served():
    """Serve what a function of the body answers, and return where."""
    servers = []

    def served(answer):
        server = Server(answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield served
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sent(part, tmp_path):
    """Have wrk send images to a server for a second, and return what it says of the answers."""
    wrk, images = part("service_parts.wrk"), part("service_parts.images")

    def sent(address):
        good = [images.Good(f"{number}.png", b"noisy %d \0\r\n\xff" % number, b"clean \0\xfe") for number in range(3)]
        bad = [images.Bad(f"bad{number}.png", b"half %d" % number, (422, 415)) for number in range(4)]
        wrk.write_requests(tmp_path / "requests", good, bad)
        return asyncio.run(wrk.mixed(address, tmp_path / "requests", 1, seed=0, pause=2))

    return sent


def refused(status=422, kind="application/problem+json", body=PROBLEM):
    return status, {"Content-Type": kind}, body


@needs_wrk
def test_right_answers_are_counted_and_are_not_wrong(served, sent):
    def answer(body):
        if b"half" in body:
            assert b'filename="bad' in body
            return refused(415 if b"half 1" in body else 422)
        if body == b"noisy 2 \0\r\n\xff":
            return 429, {"Retry-After": "1"}, b""
        return 200, {}, b"clean \0\xfe" if body else b'{"status": "alive"}'

    found = sent(served(answer))
    assert found.wrong == []
    assert found.counts.keys() == {"good 200", "good 429", "bad 422", "bad 415", "healthz 200"}


@needs_wrk
def test_every_kind_of_wrong_answer_is_reported(served, sent):
    answers = {
        b"noisy 0": (200, {}, b"clean \0\xff"),
        b"noisy 1": (429, {}, b""),
        b"noisy 2": (500, {}, b"boom\tboom\n"),
        b"half 0": refused(kind="application/json"),
        b"half 1": refused(body=PROBLEM.replace(b"detail", b"details")),
        b"half 2": refused(500),
        b"half 3": (200, {}, b""),
    }

    def answer(body):
        matching = [answer for start, answer in answers.items() if start in body]
        return matching[0] if matching else (200, {"X-Request-ID": "another"}, b"")

    assert set(sent(served(answer)).wrong) == {
        "0.png: another image than the command line's",
        "1.png: 429 without Retry-After",
        "2.png: answered 500 boom boom ",
        "bad0.png: refused as application/json",
        "bad1.png: refused without detail",
        f"bad2.png: answered 500 {PROBLEM.decode()}",
        "bad3.png: answered 200 ",
        "an answer to no request: 200",
    }


@needs_wrk
def test_latencies_are_in_seconds(part, served):
    wrk = part("service_parts.wrk")
    found = asyncio.run(wrk.waits(served(lambda body: (200, {}, b"ok")) + "/healthz", 1, pause=2))
    assert found.answers and 0 < found.median <= found.p99 < 1 and found.failed == 0
    found = asyncio.run(wrk.waits(served(lambda body: (204, {}, b"")), 1, pause=50))
    assert found.failed > 0


@needs_wrk
def test_errors_of_wrk_are_reported(part, served, tmp_path):
    wrk, skipped = part("service_parts.wrk"), part("photo_parts.tables").PartSkipped
    with pytest.raises(skipped, match=r"wrk ended: unable to connect"):
        asyncio.run(wrk.waits("http://127.0.0.1:1", 1))
    with pytest.raises(skipped, match=r"wrk ended: .*requests\.tsv"):
        asyncio.run(wrk.mixed(served(lambda body: (200, {}, b"")), tmp_path / "absent", 1, seed=0))


@pytest.mark.parametrize("is_installed", [pytest.param(True, marks=needs_wrk), False])
def test_a_service_is_timed_beside_a_bare_server_with_or_without_wrk(part, served, monkeypatch, is_installed):
    healthz_latency = part("service_parts.healthz_latency")
    monkeypatch.setattr(healthz_latency.wrk, "is_installed", lambda: is_installed)
    found = asyncio.run(healthz_latency.waits(served(lambda body: (200, {}, b"ok")), 1))
    for waits in (found["service"], found["bare"]):
        assert waits.answers and 0 < waits.median <= waits.p99 < 1 and not waits.failed


def test_the_results_of_wrk_count_and_its_absence_is_reported(part):
    load, wrk, clients = part("service_parts.load"), part("service_parts.wrk"), part("service_parts.clients")

    def verdicts(wrk_counts, failed=0):
        waits = wrk.Waits(100, 0.001, 0.02, failed)
        return load._verdicts(
            "load", load.Found(clients.Counts(), wrk_counts, [1e8], {"service": waits, "bare": waits})
        )

    counts = {"good 200": 30, "healthz 200": 9}
    _, right, *_ = found = verdicts(clients.Counts(Counter(counts)))
    assert all(row.is_reached for row in found) and right.found == "0 of: 30 good 200, 9 healthz 200"
    assert "100 answers to wrk" in found[-1].found
    _, wrong, *_ = verdicts(clients.Counts(Counter(counts), ["a.png: blurred"]))
    assert not wrong.is_reached and wrong.found.startswith("1 (a.png: blurred)")
    assert not verdicts(clients.Counts())[1].is_reached, "nothing was answered"
    *_, healthz = verdicts(None, failed=2)
    assert not healthz.is_reached and "2 failed" in healthz.found
    absent = verdicts(None)
    assert len(absent) == len(found) - 1 and all(row.is_reached for row in absent)
    assert "wrk is not installed: apt install wrk" in absent[0].found


def test_our_clients_leave_some_requests_to_wrk(part):
    load, clients = part("service_parts.load"), part("service_parts.clients")
    client = clients.Clients(part("httpx").AsyncClient(base_url="http://test"), [], [], 1000, 0)
    alone, beside = ([name for name, _ in load._kinds(client, is_all)] for is_all in (True, False))
    assert set(alone) - set(beside) == {"good", "bad"} and alone.count("good") == 2
    assert {"slow", "disconnecting", "oversized", "job", "cancelled job"} == set(beside)
