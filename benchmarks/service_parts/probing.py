"""Asks a server over and over, in a process of its own so that nobody else's work counts, and prints the latencies.

The same is asked in turn of a bare server, which does nothing but answer: what that takes is the machine's doing.
"""

import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PAUSE = 0.05


class Bare(BaseHTTPRequestHandler):
    """Answers at once."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class BareServer(ThreadingHTTPServer):
    """Says nothing of clients that leave in the middle of an answer, as wrk does at its end."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over it."""


def connected(address: str) -> http.client.HTTPConnection:
    """Return a connection that stays open."""
    place = urlsplit(address)
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)


def latency(connection: http.client.HTTPConnection, path: str) -> float:
    """Return the seconds that an answer took.

    Raises:
        RuntimeError: if it is not 200.
    """
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return time.perf_counter() - begun


def latencies(address: str, bare: str, seconds: float) -> dict[str, list[float]]:
    """Return the seconds that each answer of the service and of the bare server took, over so many seconds."""
    both = {"service": (connected(address), "/healthz"), "bare": (connected(bare), "/")}
    found: dict[str, list[float]] = {name: [] for name in both}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for name, (connection, path) in both.items():
            found[name].append(latency(connection, path))
            time.sleep(PAUSE / 2)
    return found


def serve_bare() -> None:
    """Print where the bare server is, and serve until standard input ends."""
    server = BareServer(("127.0.0.1", 0), Bare)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:] == ["bare"]:
        serve_bare()
    else:
        print(json.dumps(latencies(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
