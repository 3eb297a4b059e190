"""Work for a client that may go away."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from pellucid.server.disconnect import followed
from pellucid.server.workers.tasks import Cancelled, Outcome


def request(*kinds: str) -> Request:
    """Return a request of which such messages come; after them nothing does."""
    coming = iter(kinds)

    async def receive():
        for kind in coming:
            return {"type": kind}
        await asyncio.Event().wait()

    return Request({"type": "http", "headers": []}, receive)  # type: ignore[arg-type]


async def heeding(gone: asyncio.Event) -> Outcome:
    await gone.wait()
    raise Cancelled("it was cancelled")


async def quick(gone: asyncio.Event) -> Outcome:
    await asyncio.sleep(0)
    return Outcome({"width": 3})


def test_work_ends_when_the_client_goes():
    with pytest.raises(ClientDisconnect):
        asyncio.run(followed(request("http.request", "http.disconnect"), heeding))


def test_work_for_a_client_that_stays_is_answered():
    assert asyncio.run(followed(request(), quick)).facts == {"width": 3}
