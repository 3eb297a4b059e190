"""The queue of jobs: accept, run, follow, cancel, run again with other options, keep for a while, remove."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.server.jobs.async_store import AsyncStore
from pellucid.server.jobs.database import Item, Job, JobOptions, JobStore
from pellucid.server.jobs.disk_quota import DiskQuota, QuotaExceeded
from pellucid.server.jobs.events import JobNotifier, wait_for_event
from pellucid.server.jobs.files import JobFiles, new_name, remove, size_of
from pellucid.server.jobs.runner import JobRunner, WorkerPoolProtocol
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import QueueFull

EVENT_INTERVAL = 0.2  # seconds between two events of a job with few images
ITEMS_PER_INTERVAL = 100  # the interval grows by itself with each so many images
KEEPALIVE_SECONDS = 15.0  # without a change, after which an empty event is sent
EXPIRY_INTERVAL = 60.0  # the longest time between two searches for expired jobs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewItem:
    """One image of a new job.

    Attributes:
        name: the client's name for it.
        source: its file in a temporary folder.
        reference: the file of a clean image to compare it with, or None.
        error: why it fails without being started, or None.
    """

    name: str
    source: Path
    reference: Path | None = None
    error: str | None = None


class Jobs:
    """All jobs of a service; its methods run on the event loop and never block it.

    Attributes:
        quota: keeps the spool within the disk quota.
        waiting: the number of queued images at the last `update_counts`.
        used: the bytes of all uploads and results at the last `update_counts`.
    """

    def __init__(
        self,
        settings: Settings,
        files: JobFiles,
        pool: WorkerPoolProtocol,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the settings, the locked spool, the pool, and a clock that returns seconds since 1970."""
        self._settings, self._files, self._pool = settings, files, pool
        self._store = AsyncStore(files.database, clock)
        self._notifier = JobNotifier()
        self.quota = DiskQuota(settings, files, self._store, clock)
        self._runner = JobRunner(files, self._store, self.quota, self._notifier, pool)
        self._tasks: list[asyncio.Task[None]] = []
        self.waiting = self.used = 0

    async def start(self) -> None:
        """Recover from a killed process, and start to run the queued items.

        Raises:
            PellucidError: if the database cannot be used.
        """
        await self._store.open()
        await self._store.call(JobStore.recover, self._committed)
        await asyncio.to_thread(self._files.remove_orphans, *await self._store.call(JobStore.known))
        self._tasks = [asyncio.create_task(self._runner.work()), asyncio.create_task(self._expire())]

    @property
    def is_running(self) -> bool:
        """Whether queued items will be run."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def close(self) -> None:
        """Start no more items, and end all event streams; queued items are kept for the next start."""
        self._runner.close()
        self._notifier.notify_all()

    async def stop(self) -> None:
        """Wait for the running items, which the pool ends, and close the database."""
        self.close()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("jobs had stopped", exc_info=result)
        await self._store.close()

    async def check_queue(self, new: int = 1) -> None:
        """Raise QueueFull if so many more images are more than may be queued."""
        await self.update_counts()
        if self.waiting + new > self._settings.max_waiting:
            raise QueueFull(self._pool.retry_after)

    async def accept(self, options: JobOptions, items: Sequence[NewItem]) -> Job:
        """Accept a job and take over its files: from now on it will be done, or fail with a reason.

        The caller holds `quota.reserve` for the files. At least one item has no error.

        Raises:
            QueueFull: if too many images are queued.
            QuotaExceeded: if there is no space for it.
        """
        # Shielded: if the client disconnects now, there is either a job with its files or neither.
        return await asyncio.shield(self._accept(options, items))

    async def rerun(self, id: str, options: JobOptions) -> Job | None:
        """Accept a job on the images of another job, which are not sent again; None if that does not exist.

        Raises:
            QueueFull: if too many images are queued.
            QuotaExceeded: if there is no space for it.
        """
        original = await self.job(id)
        if original is None:
            return None
        await self.check_queue(sum(not item.is_refused for item in original.items))
        # The job may be removed at this moment, and its images with it.
        with suppress(sqlite3.IntegrityError), self.quota.pinned(id):
            return await self._add(options, original.items, {})
        return None

    async def job(self, id: str) -> Job | None:
        """Return a job, or None if there is none with this id."""
        return await self._store.call(JobStore.job, id)

    def progress_of(self, item: Item) -> float:
        """Return the fraction of an item that is done, from 0 to 1."""
        return self._notifier.progress_of(item)

    async def cancel(self, id: str) -> None:
        """Stop the running items of a job, and start no more."""
        await self._store.call(JobStore.cancel, id)
        self._runner.cancel(id)
        self._notifier.notify(id)

    async def remove(self, id: str) -> bool:
        """Remove a finished job and its files; returns whether there was one."""
        is_removed = await self.quota.remove(id)
        self._notifier.notify(id)
        return is_removed

    async def events(self, id: str) -> AsyncIterator[Job | None]:
        """Yield a job now and at each change until it is finished or removed; None if nothing changes for a while."""
        with self._notifier.subscribe(id) as changed:
            while job := await self.job(id):
                yield job
                if job.finished is not None or self._runner.closing.is_set():
                    return
                await wait_for_event(self._runner.closing, EVENT_INTERVAL * (1 + len(job.items) / ITEMS_PER_INTERVAL))
                while not await wait_for_event(changed, KEEPALIVE_SECONDS):
                    yield None
                changed.clear()

    async def update_counts(self) -> None:
        """Update `waiting` and `used`."""
        self.waiting = await self._store.call(JobStore.waiting)
        self.used = await self._store.call(JobStore.used)

    async def _accept(self, options: JobOptions, new_items: Sequence[NewItem]) -> Job:
        await self.check_queue(sum(not item.error for item in new_items))
        stored: dict[str, int] = {}

        def store(path: Path) -> str:
            size = size_of(path)
            stored[name := self._files.store_upload(path)] = size
            return name

        def items() -> Iterator[Item]:
            for number, item in enumerate(new_items, 1):
                reference = store(item.reference) if item.reference else None
                state = "failed" if item.error else "queued"
                yield Item("", number, item.name, store(item.source), reference, state, error=item.error)

        try:
            return await self._add(options, await asyncio.to_thread(list, items()), stored)
        except BaseException:
            for name in stored:
                remove(self._files.upload(name))
            raise

    async def _add(self, options: JobOptions, items: Sequence[Item], sizes: Mapping[str, int]) -> Job:
        await self.quota.free_space()
        try:
            job = await self._store.call(JobStore.add, new_name(), options, items, sizes)
        except sqlite3.OperationalError as error:
            raise QuotaExceeded(f"the service cannot store the job ({error}): free some space on its disk") from error
        self._runner.notify()
        return job

    async def _expire(self) -> None:
        interval = min(EXPIRY_INTERVAL, self._settings.job_expiry / 4)
        while True:
            try:
                await self.quota.expire()
            except (OSError, sqlite3.OperationalError) as error:
                log.warning("cannot remove expired jobs: %s", error)
            if await wait_for_event(self._runner.closing, interval):
                return

    def _committed(self, job: str, number: int) -> tuple[dict[str, Any], int] | None:
        metadata = self._files.committed(job, number)
        return None if metadata is None else (metadata, size_of(self._files.item(job, number)))
