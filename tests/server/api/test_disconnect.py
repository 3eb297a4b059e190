"""Work for a client that may disconnect."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import ClientDisconnect, Request

from pellucid.server.api.images import run_until_disconnect
from pellucid.server.workers.tasks import Cancelled, WorkRequest, WorkResult

WORK = WorkRequest("denoise", Path("source"))


def make_request(run, *kinds: str) -> Request:
    """Return a request for a pool with this method, and with messages of these kinds; no other message arrives."""
    messages = iter(kinds)

    async def receive():
        for kind in messages:
            return {"type": kind}
        await asyncio.Event().wait()

    app = SimpleNamespace(state=SimpleNamespace(pool=SimpleNamespace(run=run)))
    return Request({"type": "http", "headers": [], "app": app}, receive)  # type: ignore[arg-type]


async def until_cancelled(work_request: WorkRequest, cancelled: asyncio.Event) -> WorkResult:
    assert work_request is WORK
    await cancelled.wait()
    raise Cancelled("it was cancelled")


async def quick(work_request: WorkRequest, cancelled: asyncio.Event) -> WorkResult:
    await asyncio.sleep(0)
    return WorkResult({"width": 3})


def test_work_ends_when_the_client_disconnects():
    request = make_request(until_cancelled, "http.request", "http.disconnect")
    with pytest.raises(ClientDisconnect):
        asyncio.run(run_until_disconnect(request, WORK))


def test_a_client_that_stays_gets_the_result():
    assert asyncio.run(run_until_disconnect(make_request(quick), WORK)).metadata == {"width": 3}
