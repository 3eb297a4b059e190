"""The disk quota: when it is used up, the oldest finished jobs are removed; jobs also expire by age."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pellucid.server.jobs.async_store import AsyncStore
from pellucid.server.jobs.database import JobStore
from pellucid.server.jobs.files import JobFiles
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import WorkFailed

MAX_RESERVED_FRACTION = 0.25  # of the quota, for several uploads at once


class QuotaExceeded(WorkFailed):
    """The disk quota is used up, or the disk is full, and no finished job is left to be removed."""

    def __init__(self, message: str = "the service's disk budget is used up: try again later, or remove jobs") -> None:
        """Take a message that names the remedy."""
        super().__init__(message, status=507)


class DiskQuota:
    """Removes jobs: when they expire, when space is needed, or on request."""

    def __init__(self, settings: Settings, files: JobFiles, store: AsyncStore, clock: Callable[[], float]) -> None:
        """Take the settings, the files and the store of jobs, and a clock that returns seconds since 1970."""
        self._settings, self._files, self._store, self._clock = settings, files, store, clock
        self._pinned: Counter[str] = Counter()
        self._reserved: list[int] = []

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Count bytes of an upload that is still arriving as used."""
        self._reserved.append(size)
        try:
            yield
        finally:
            self._reserved.remove(size)

    @contextmanager
    def pinned(self, job: str) -> Iterator[None]:
        """Keep a job while its files are read; only `remove` removes it then."""
        self._pinned[job] += 1
        try:
            yield
        finally:
            self._pinned[job] -= 1
            if not self._pinned[job]:
                del self._pinned[job]

    async def free_space(self) -> None:
        """Remove finished jobs, the oldest first, until used and reserved bytes are within the quota.

        Several uploads together may reserve no more than a quarter of the quota, so that many clients who announce
        large uploads at once do not push out results that others have not fetched yet.

        Raises:
            QuotaExceeded: if that is not enough.
        """
        reserved, quota = sum(self._reserved), self._settings.disk_budget
        if reserved > quota:
            raise QuotaExceeded
        if len(self._reserved) > 1 and reserved > quota * MAX_RESERVED_FRACTION:
            raise QuotaExceeded("too much is being sent to the service at once: try again later")
        await self._remove_until_within(lambda: self._settings.disk_budget - sum(self._reserved))

    async def check(self) -> None:
        """As `free_space`, for accepted work: reserved bytes do not count."""
        await self._remove_until_within(lambda: self._settings.disk_budget)

    async def trim(self) -> None:
        """As `check`, without an error if it is not enough."""
        with suppress(QuotaExceeded):
            await self.check()

    async def expire(self) -> None:
        """Remove the jobs that finished longer ago than the settings allow."""
        for job in await self._store.call(JobStore.finished, self._clock() - self._settings.job_expiry):
            if job not in self._pinned:
                await self.remove(job)

    async def remove(self, job: str) -> bool:
        """Remove a finished job and its files; returns whether there was one."""
        orphans = await self._store.call(JobStore.remove, job)
        if orphans is None:
            return False
        await asyncio.to_thread(self._files.remove_job, job, orphans)
        return True

    async def _remove_until_within(self, limit: Callable[[], int]) -> None:
        while await self._store.call(JobStore.used) > limit():
            for job in await self._store.call(JobStore.finished):
                if job not in self._pinned and await self.remove(job):
                    break
            else:
                raise QuotaExceeded
