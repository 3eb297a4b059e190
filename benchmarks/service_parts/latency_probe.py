"""Send requests to a server from a process of its own, and print the latencies.

A minimal server, which only answers, gets the same requests in turn: its latency is that of the machine.
"""

import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

REQUEST_INTERVAL = 0.05


class MinimalHandler(BaseHTTPRequestHandler):
    """Answers immediately."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class MinimalServer(ThreadingHTTPServer):
    """Ignores clients that disconnect in the middle of an answer, as wrk does at its end."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it."""


def connect(address: str) -> http.client.HTTPConnection:
    """Return a persistent connection."""
    url = urlsplit(address)
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)


def latency(connection: http.client.HTTPConnection, path: str) -> float:
    """Return the seconds that an answer took.

    Raises:
        RuntimeError: if it is not 200.
    """
    started = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return time.perf_counter() - started


def latencies(address: str, bare: str, seconds: float) -> dict[str, list[float]]:
    """Return the seconds of each answer of the service and of the minimal server, measured for a number of seconds."""
    both = {"service": (connect(address), "/healthz"), "bare": (connect(bare), "/")}
    found: dict[str, list[float]] = {name: [] for name in both}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for name, (connection, path) in both.items():
            found[name].append(latency(connection, path))
            time.sleep(REQUEST_INTERVAL / 2)
    return found


def serve_bare() -> None:
    """Print the address of the minimal server, and serve until standard input ends."""
    server = MinimalServer(("127.0.0.1", 0), MinimalHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:] == ["bare"]:
        serve_bare()
    else:
        print(json.dumps(latencies(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
