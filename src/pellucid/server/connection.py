"""Connections: those are closed whose client dawdles over a request's head, takes no answer, or is one too many."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """uvicorn's own protocol, which by itself waits for ever for a head to end and for an answer to be taken.

    Of uvicorn's configuration, `timeout_keep_alive` holds for all that a client may leave open, and `limit_concurrency`
    for connections.
    """

    def __init__(self, *args: Any, **extra: Any) -> None:
        """Take what uvicorn hands over."""
        super().__init__(*args, **extra)
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or turn the client away."""
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self._refuse(503, "Too many clients are connected: try again later.")
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._head, self._taking = _stopped(self._head), _stopped(self._taking)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        super().pause_writing()
        self._taking = self._taking or self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has taken enough."""
        self._taking = _stopped(self._taking)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is not used, with what the client has not taken."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(400, f"{msg} Send HTTP/1.1.")

    def _watch_head(self) -> None:
        """Give the head of a request, from its first byte or the connection's start, the time it may take in all."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._head = _stopped(self._head)
        elif self._head is None and self.timeout_keep_alive_task is None:
            self._head = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def _refuse(self, status: int, detail: str) -> None:
        phrase = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": phrase, "status": status, "detail": detail, "instance": ""}
        body = json.dumps(problem).encode()
        head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/problem+json\r\n"
        head += f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


def _stopped(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()
