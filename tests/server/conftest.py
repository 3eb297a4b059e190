"""A pool that only stands in for one, so that jobs are tested without workers."""

import asyncio

import pytest

from pellucid.server.orders import Busy, Cancelled, Failed, Order, Outcome, Refused


class Bench:
    """A pool whose orders end when and as the test says, each in the way that its image's content names."""

    size = 1
    retry_after = 7

    def __init__(self):
        self.orders: list[Order] = []
        self.go = asyncio.Event()
        self.go.set()
        self.tells = []
        self.is_full = False
        self.is_stopped = False
        self.most, self._now = 0, 0

    async def run(self, order, *, progress=None, cancelled=None, waits=True):
        if self.is_full:
            raise Busy(1)
        self.orders.append(order)
        self.tells.append(progress)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self._until_told(cancelled)
            return self._outcome(order)
        finally:
            self._now -= 1

    async def _until_told(self, cancelled):
        told = [asyncio.create_task(event.wait()) for event in (self.go, cancelled)]
        await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        for task in told:
            task.cancel()
        if cancelled.is_set():
            raise Cancelled("it was cancelled")

    def _outcome(self, order):
        if self.is_stopped:
            raise Failed("the service was stopped", 503)
        content = order.source.read_bytes()
        if b"damaged" in content:
            raise Refused("scan.png is damaged: get it anew")
        if b"deadly" in content:
            raise Failed("the work on scan.png ended unexpectedly")
        if b"odd" in content:
            raise ZeroDivisionError
        order.target.write_bytes(b"clean " + content)
        (order.previews / "before.png").write_bytes(content)
        return Outcome({"width": 3, "seconds": 0.1, "media_type": "image/x-portable-anymap", "suffix": ".pgm"})


@pytest.fixture
def new_bench() -> type[Bench]:
    return Bench
