"""Requests whose client may go away while it is worked for."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.requests import ClientDisconnect

from pellucid.server.workers.tasks import Cancelled, Outcome


async def followed(request: Request, work: Callable[[asyncio.Event], Awaitable[Outcome]]) -> Outcome:
    """Return what the work came to; it is handed an event that is set when the client is gone.

    Raises:
        ClientDisconnect: if the client went away.
    """
    gone = asyncio.Event()
    watch = asyncio.create_task(_watch(request, gone))
    try:
        return await work(gone)
    except Cancelled as error:
        raise ClientDisconnect from error
    finally:
        watch.cancel()


async def _watch(request: Request, gone: asyncio.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
