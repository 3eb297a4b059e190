"""Slow clients, too many clients and clients that do not send HTTP lose their connection; others do not notice."""

import asyncio
import json
import socket
import time

import pytest
import uvicorn
from uvicorn.server import ServerState

from pellucid.server.main import Connection


def connected(service) -> socket.socket:
    host, port = service.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_all(line: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    parts = []
    try:
        while part := line.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize("start", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b"])
def test_a_head_that_does_not_end_closes_the_connection(service, start):
    with connected(service) as line:
        line.sendall(start)
        assert read_all(line) == b""


def test_a_head_that_arrives_too_slowly_closes_the_connection(service):
    with connected(service) as line, pytest.raises(OSError):
        while True:
            line.sendall(b"G")
            time.sleep(0.1)


def test_a_second_head_that_does_not_end_closes_the_connection(service):
    with connected(service) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal")
        answer = read_all(line)
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b"HTTP/1.1") == 1


def test_a_body_that_stops_coming_is_a_problem(service):
    head = b"POST /v1/denoise HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    with connected(service) as line:
        line.sendall(head + b"\x89PNG")
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 408") and b"connection: close" in answer and b"did not arrive in time" in answer


def test_a_body_that_comes_byte_by_byte_is_a_problem(service):
    head = b"POST /v1/denoise HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    with connected(service) as line:
        line.sendall(head)
        line.settimeout(0.3)
        answer = b""
        while not answer:
            line.sendall(b"x")
            try:
                answer = line.recv(65_536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_input_that_is_not_http_is_a_problem(service):
    with connected(service) as line:
        line.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, _, body = read_all(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400") and json.loads(body)["status"] == 400


def test_a_refused_body_is_not_needed_for_the_next_request(service):
    """The client may go on sending what was refused: it hears why, rather than losing the line."""
    body = bytes(1_500_000)
    head = f"POST /v1/denoise HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with connected(service) as line:
        line.sendall(head.encode() + body + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 413") and b"HTTP/1.1 200 OK" in answer


def test_who_waits_for_the_word_to_go_on_hears_no_before_sending(service):
    head = b"POST /v1/denoise HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    with connected(service) as line:
        line.sendall(head)
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 413") and b"100 Continue" not in answer


class Transport(asyncio.Transport):
    """Stands in for a connection whose client takes nothing."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.is_aborted = self.is_closed = False
        self.written = b""

    def write(self, data):
        self.written += data

    def abort(self):
        self.is_aborted = True

    def close(self):
        self.is_closed = True

    def is_closing(self):
        return self.is_aborted or self.is_closed

    def get_write_buffer_size(self):
        return len(self.written)


def opened(state=None, **options) -> tuple[Connection, Transport]:
    async def app(scope, receive, send):
        raise AssertionError

    config = uvicorn.Config(app, log_config=None, **{"timeout_keep_alive": 0.05, "limit_concurrency": 2} | options)
    transport, connection = Transport(), Connection(config, state or ServerState(), {})
    connection.connection_made(transport)
    return connection, transport


def test_an_answer_that_is_not_taken_is_not_waited_for():
    async def main():
        connection, transport = opened(timeout_keep_alive=1000)
        connection.timeout_keep_alive = 0
        connection.pause_writing()
        connection.resume_writing()
        await asyncio.sleep(0.1)
        assert not transport.is_aborted
        connection.pause_writing()
        while not transport.is_aborted:
            await asyncio.sleep(0.01)
        connection.connection_lost(ConnectionAbortedError())

    asyncio.run(main())


def test_an_idle_connection_is_aborted_only_with_something_untaken():
    async def main():
        for written, is_aborted in ((b"", False), (b"rest", True)):
            connection, transport = opened()
            transport.written = written
            connection.timeout_keep_alive_handler()
            assert transport.is_closing() and transport.is_aborted is is_aborted
            connection.connection_lost(None)

    asyncio.run(main())


def test_one_connection_too_many_gets_an_error():
    async def main():
        state = ServerState()
        open_connections = [opened(state) for _ in range(2)]
        connection, transport = opened(state)
        assert transport.written.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in transport.written
        assert transport.is_closed and not any(other.written for _, other in open_connections)
        for one in (connection, *(one for one, _ in open_connections)):
            one.connection_lost(None)
        assert not opened(state)[1].written

    asyncio.run(main())
