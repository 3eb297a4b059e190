"""The service as a process: it listens, works, and stops when it is told to, in its own time or at once."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import uvicorn

from pellucid.errors import PellucidError
from pellucid.server.app import create_app
from pellucid.server.connection import Connection
from pellucid.server.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 256
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Server(uvicorn.Server):
    """uvicorn, less its own way with signals: it would end the process before what works has ended."""

    def capture_signals(self) -> AbstractContextManager[None]:
        """Leave the signals to `serve`."""
        return nullcontext()


async def serve(settings: Settings, tell: Callable[[str], object], is_quiet: bool = False) -> None:
    """Serve until the process is told to stop: what runs finishes in the time it has; told twice, it ends at once.

    Args:
        settings: what the service is told.
        tell: told where the service is once it answers.
        is_quiet: whether requests go unlogged.

    Raises:
        PellucidError: if the address is taken, the spool cannot be used, or no worker starts.
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
    server = _Server(config)

    def stop() -> None:
        server.force_exit, server.should_exit = server.should_exit, True
        app.state.jobs.close()

    with _listening(settings) as listener:
        async with app.router.lifespan_context(app):
            loop = asyncio.get_running_loop()
            for number in SIGNALS:
                loop.add_signal_handler(number, stop)
            listener.listen(BACKLOG)
            tell(_address(listener) + settings.root_path)
            await server.serve(sockets=[listener])


def _listening(settings: Settings) -> socket.socket:
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
