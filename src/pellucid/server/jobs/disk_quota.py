"""Room on the disk: a budget, kept to by removing what was finished longest ago, and an age at which all is removed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pellucid.server.jobs.async_store import Ledger
from pellucid.server.jobs.database import Store
from pellucid.server.jobs.files import Spool
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import Failed

MOST_EXPECTED = 0.25  # of the disk budget


class NoRoom(Failed):
    """The disk budget is used up, or the disk is full, and nothing that is finished is left to be removed."""

    def __init__(self, message: str = "the service's disk budget is used up: try again later, or remove jobs") -> None:
        """Take a message that names the remedy."""
        super().__init__(message, status=507)


class Room:
    """Removes jobs: when they are too old, when their room is needed, or when somebody says so."""

    def __init__(self, settings: Settings, spool: Spool, ledger: Ledger, clock: Callable[[], float]) -> None:
        """Take the settings, what jobs are kept in, and what tells seconds since 1970."""
        self._settings, self._spool, self._ledger, self._clock = settings, spool, ledger, clock
        self._pinned: Counter[str] = Counter()
        self._expected: list[int] = []

    @contextmanager
    def expecting(self, size: int) -> Iterator[None]:
        """Count so many bytes as used that are on their way."""
        self._expected.append(size)
        try:
            yield
        finally:
            self._expected.remove(size)

    @contextmanager
    def pinned(self, job: str) -> Iterator[None]:
        """Keep a job from being removed, unless somebody says so, while its files are read."""
        self._pinned[job] += 1
        try:
            yield
        finally:
            self._pinned[job] -= 1
            if not self._pinned[job]:
                del self._pinned[job]

    async def make(self) -> None:
        """Remove finished jobs, the oldest first, until what is used and on its way keeps to the budget.

        What many clients announce at once does not sweep away what others have not fetched yet: more than a quarter of
        the budget is not waited for, unless it is a single upload.

        Raises:
            NoRoom: if it does not even so.
        """
        expected, budget = sum(self._expected), self._settings.disk_budget
        if expected > budget:
            raise NoRoom
        if len(self._expected) > 1 and expected > budget * MOST_EXPECTED:
            raise NoRoom("too much is being sent to the service at once: try again later")
        await self._keep_to(lambda: self._settings.disk_budget - sum(self._expected))

    async def check(self) -> None:
        """As `make`, for work that was accepted: what others are sending does not count."""
        await self._keep_to(lambda: self._settings.disk_budget)

    async def trim(self) -> None:
        """Do what can be done of `check`."""
        with suppress(NoRoom):
            await self.check()

    async def expire(self) -> None:
        """Remove the jobs that were finished too long ago."""
        for job in await self._ledger.call(Store.finished, self._clock() - self._settings.job_expiry):
            if job not in self._pinned:
                await self.remove(job)

    async def remove(self, job: str) -> bool:
        """Remove a finished job and its files; returns whether there was one."""
        orphans = await self._ledger.call(Store.remove, job)
        if orphans is None:
            return False
        await asyncio.to_thread(self._spool.forget, job, orphans)
        return True

    async def _keep_to(self, budget: Callable[[], int]) -> None:
        while await self._ledger.call(Store.used) > budget():
            for job in await self._ledger.call(Store.finished):
                if job not in self._pinned and await self.remove(job):
                    break
            else:
                raise NoRoom
