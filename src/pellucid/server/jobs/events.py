"""The progress of running items, and notification of those who wait for changes of a job."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pellucid.server.jobs.database import Item


class JobNotifier:
    """Notifies the subscribers of a job of each change."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._progress: dict[tuple[str, int], float] = {}
        self._subscribers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def track(self, item: Item) -> Iterator[None]:
        """Keep the progress of an item while it runs; notifies at its start and end."""
        key = item.job, item.number
        self._progress[key] = 0.0
        self.notify(item.job)
        try:
            yield
        finally:
            del self._progress[key]
            self.notify(item.job)

    def set_progress(self, item: Item, fraction: float) -> None:
        """Set the fraction of a tracked item that is done, from 0 to 1."""
        if (item.job, item.number) in self._progress:
            self._progress[item.job, item.number] = min(1.0, max(0.0, fraction))
            self.notify(item.job)

    def progress_of(self, item: Item) -> float:
        """Return the fraction of an item that is done, from 0 to 1."""
        return self._progress.get((item.job, item.number), 0.0) if item.state in ("queued", "running") else 1.0

    def notify(self, job: str) -> None:
        """Notify the subscribers of a job."""
        for changed in self._subscribers.get(job, ()):
            changed.set()

    def notify_all(self) -> None:
        """Notify the subscribers of all jobs."""
        for job in self._subscribers:
            self.notify(job)

    @contextmanager
    def subscribe(self, job: str) -> "Iterator[asyncio.Event]":
        """Yield an event that is set at each change of a job."""
        changed = asyncio.Event()
        self._subscribers[job].add(changed)
        try:
            yield changed
        finally:
            self._subscribers[job].discard(changed)
            if not self._subscribers[job]:
                del self._subscribers[job]


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event up to so many seconds; returns whether it is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
