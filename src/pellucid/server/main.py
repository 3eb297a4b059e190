"""The process of the service: listens, limits connections, serves, and stops on a signal."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pellucid.errors import PellucidError
from pellucid.server.app import create_app
from pellucid.server.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 256
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Connection(H11Protocol):
    """uvicorn's protocol with time limits: a slow request head, and a client that reads no response, end it.

    Of uvicorn's configuration, `timeout_keep_alive` is the limit for both, and `limit_concurrency` limits connections
    instead of requests.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of uvicorn's protocol."""
        super().__init__(*args, **kwargs)
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request head, or refuse the connection if there are too many."""
        super().connection_made(transport)
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(503, "Too many clients are connected: try again later.")
            return
        self._update_head_timer()

    def data_received(self, data: bytes) -> None:
        """Handle a part of a request."""
        super().data_received(data)
        self._update_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._head_timer, self._write_timer = _stopped(self._head_timer), _stopped(self._write_timer)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the timer in which the client has to read."""
        super().pause_writing()
        self._write_timer = self._write_timer or self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that timer: the client has read enough."""
        self._write_timer = _stopped(self._write_timer)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and drop a response that the client has not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Respond to input that is not HTTP."""
        self._refuse(400, f"{msg} Send HTTP/1.1.")

    def _update_head_timer(self) -> None:
        """Limit the time of a request head as a whole, from its first byte or the start of the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_timer = _stopped(self._head_timer)
        elif self._head_timer is None and self.timeout_keep_alive_task is None:
            self._head_timer = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

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


class _UvicornServer(uvicorn.Server):
    """uvicorn's server without signal handlers of its own, which would end the process before the workers."""

    def capture_signals(self) -> AbstractContextManager[None]:
        """Leave the signals to `serve`."""
        return nullcontext()


async def serve(settings: Settings, on_ready: Callable[[str], object], is_quiet: bool = False) -> None:
    """Serve until a signal: then running work may finish within the stop timeout; a second signal ends it at once.

    Args:
        settings: of the service.
        on_ready: called with the address once the service responds.
        is_quiet: whether requests are not logged.

    Raises:
        PellucidError: if the address is in use, the spool cannot be used, or no worker starts.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    logging.getLogger("pellucid.access").disabled = is_quiet
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=max(1, round(settings.idle_timeout)),
        timeout_graceful_shutdown=max(1, round(settings.stop_timeout)),
        limit_concurrency=settings.connections,
        h11_max_incomplete_event_size=16_384,
    )
    server = _UvicornServer(config)

    def stop() -> None:
        server.force_exit, server.should_exit = server.should_exit, True
        app.state.jobs.close()

    with _bind(settings) as listener:
        async with app.router.lifespan_context(app):
            loop = asyncio.get_running_loop()
            for number in SIGNALS:
                loop.add_signal_handler(number, stop)
            listener.listen(BACKLOG)
            on_ready(_address(listener) + settings.root_path)
            await server.serve(sockets=[listener])


def _bind(settings: Settings) -> socket.socket:
    """Return a socket that is bound, and does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise PellucidError(
            f"cannot listen on {settings.host}, port {settings.port} ({error.strerror}): give another --host or --port"
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
