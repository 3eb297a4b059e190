"""How far the running items of jobs are, and those who want to know."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pellucid.server.jobs.database import Item


class Watch:
    """Tells whoever watches a job that something has changed."""

    def __init__(self) -> None:
        """Begin with no job that is watched."""
        self._shares: dict[tuple[str, int], float] = {}
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def following(self, item: Item) -> Iterator[None]:
        """Keep how far an item is while it runs, and tell of its beginning and its end."""
        key = item.job, item.number
        self._shares[key] = 0.0
        self.tell(item.job)
        try:
            yield
        finally:
            del self._shares[key]
            self.tell(item.job)

    def progress(self, item: Item, share: float) -> None:
        """Note that so much of an item that is followed is done, from 0 to 1."""
        if (item.job, item.number) in self._shares:
            self._shares[item.job, item.number] = min(1.0, max(0.0, share))
            self.tell(item.job)

    def share(self, item: Item) -> float:
        """Return how much of an item is done, from 0 to 1."""
        return self._shares.get((item.job, item.number), 0.0) if item.state in ("queued", "running") else 1.0

    def tell(self, job: str) -> None:
        """Say that something about a job has changed."""
        for changed in self._watchers.get(job, ()):
            changed.set()

    def tell_all(self) -> None:
        """Say so of all jobs."""
        for job in self._watchers:
            self.tell(job)

    @contextmanager
    def changes(self, job: str) -> "Iterator[asyncio.Event]":
        """Yield an event that is set whenever something about a job has changed."""
        changed = asyncio.Event()
        self._watchers[job].add(changed)
        try:
            yield changed
        finally:
            self._watchers[job].discard(changed)
            if not self._watchers[job]:
                del self._watchers[job]


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but no longer than that; returns whether it is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
