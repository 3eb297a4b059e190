"""Runs the items of jobs on the pool, as many at a time as there are workers."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pellucid.errors import PellucidError
from pellucid.server.jobs.async_store import AsyncStore
from pellucid.server.jobs.database import Item, ItemResult, JobOptions, JobStore
from pellucid.server.jobs.disk_quota import DiskQuota
from pellucid.server.jobs.events import JobNotifier, wait_for_event
from pellucid.server.jobs.files import PREVIEWS, RESULT, JobFiles, find, remove, size_of
from pellucid.server.workers.tasks import Cancelled, QueueFull, WorkFailed, WorkRequest, WorkResult
from pellucid.utils.atomic_write import error_reason

QUEUE_RETRY_SECONDS = 0.5  # between two attempts to submit an item while the queue of the pool is full
STATUS_STOPPED = 503  # of work that failed because the service was stopping

INTERNAL_ERROR = "an error in the service, which is in its log: ask whoever runs it"

log = logging.getLogger(__name__)


class WorkerPoolProtocol(Protocol):
    """What jobs need of `pellucid.server.workers.pool.Pool`."""

    @property
    def size(self) -> int:
        """The number of workers."""
        ...

    @property
    def retry_after(self) -> int:
        """In how many whole seconds the queue may have space."""
        ...

    async def run(
        self,
        request: WorkRequest,
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: asyncio.Event | None = None,
        may_queue: bool = True,
    ) -> WorkResult:
        """Run a request."""
        ...


class JobRunner:
    """Runs the queued items of the store, and stores their results.

    Attributes:
        closing: set when the service stops.
    """

    def __init__(
        self, files: JobFiles, store: AsyncStore, quota: DiskQuota, notifier: JobNotifier, pool: WorkerPoolProtocol
    ) -> None:
        """Take the parts that it works with."""
        self._files, self._store, self._quota, self._notifier, self._pool = files, store, quota, notifier, pool
        self._item_added, self.closing = asyncio.Event(), asyncio.Event()
        self._cancelled: dict[tuple[str, int], asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Run queued items, whenever a worker is idle, until `close`; returns when the last has ended."""
        idle = asyncio.Semaphore(self._pool.size)
        while not self.closing.is_set():
            await idle.acquire()
            claimed = await self._claim()
            if claimed is None:
                break
            task = asyncio.create_task(self._run(*claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: idle.release())
        while self._tasks:
            await asyncio.wait(self._tasks)

    def notify(self) -> None:
        """Report that an item was added to the store."""
        self._item_added.set()

    def close(self) -> None:
        """Start no more items; those in the queue stay there."""
        self.closing.set()
        self._item_added.set()

    def cancel(self, job: str) -> None:
        """Stop the running items of a job, which is cancelled in the store already."""
        for (running_job, _), cancelled in self._cancelled.items():
            if running_job == job:
                cancelled.set()

    async def _claim(self) -> tuple[Item, JobOptions] | None:
        """Wait for the next item and return it; None when the service is stopping."""
        while not self.closing.is_set():
            self._item_added.clear()
            if claimed := await self._store.retry(self.closing, JobStore.claim):
                return claimed
            if not self.closing.is_set():
                await self._item_added.wait()
        return None

    async def _run(self, item: Item, options: JobOptions) -> None:
        cancelled = self._cancelled[item.job, item.number] = asyncio.Event()
        try:
            with self._notifier.track(item), self._quota.pinned(item.job):
                result = await self._run_item(item, options, cancelled)
                if result is None:
                    await self._store.retry(self.closing, JobStore.requeue, item)
                else:
                    await self._store.retry(self.closing, JobStore.end, item, result)
                await self._quota.trim()
        except sqlite3.OperationalError:
            log.exception("the result of item %s of job %s is stored on the next start", item.number, item.job)
        finally:
            del self._cancelled[item.job, item.number]

    async def _run_item(self, item: Item, options: JobOptions, cancelled: asyncio.Event) -> ItemResult | None:
        """Do the work on an item and return its result; None if the service stopped before it was done."""
        try:
            # The job may have been cancelled between the claim and the entry in `_cancelled`.
            if await self._store.call(JobStore.is_cancelled, item.job):
                return ItemResult("cancelled")
            await self._quota.check()
            folder = await asyncio.to_thread(self._files.attempt, item.job, item.number, item.attempts)
            try:
                result = await self._submit(_work_request(self._files, item, options, folder), item, cancelled)
                metadata = result.metadata | {"previews": [kind for kind in PREVIEWS if find(folder, kind)]}
                await asyncio.to_thread(self._files.commit, folder, item.job, item.number, metadata)
            finally:
                await asyncio.to_thread(remove, folder)
            return ItemResult("done", metadata=metadata, size=size_of(self._files.item(item.job, item.number)))
        except Cancelled:
            return ItemResult("cancelled")
        except (QueueFull, WorkFailed) as error:
            is_stopped = isinstance(error, QueueFull) or error.status == STATUS_STOPPED
            return None if is_stopped and self.closing.is_set() else ItemResult("failed", str(error))
        except PellucidError as error:
            return ItemResult("failed", str(error))
        except OSError as error:
            return ItemResult("failed", f"the service cannot keep the result: {error_reason(error)}")
        except Exception:
            log.exception("item %s of job %s", item.number, item.job)
            return ItemResult("failed", INTERNAL_ERROR)

    async def _submit(self, request: WorkRequest, item: Item, cancelled: asyncio.Event) -> WorkResult:
        """Run a request on the pool; while its queue is full, try again."""
        while True:
            result = None
            try:
                result = await self._pool.run(
                    request,
                    progress=lambda fraction: self._notifier.set_progress(item, fraction),
                    cancelled=cancelled,
                )
            except QueueFull:
                if self.closing.is_set():
                    raise
                await wait_for_event(cancelled, QUEUE_RETRY_SECONDS)
            if cancelled.is_set():
                raise Cancelled(f"{item.name} was cancelled")
            if result:
                return result


def _work_request(files: JobFiles, item: Item, options: JobOptions, folder: Path) -> WorkRequest:
    return WorkRequest(
        "denoise",
        files.upload(item.source),
        folder / RESULT,
        model=options.model,
        sigma=options.sigma,
        strength=options.strength,
        reference=files.upload(item.reference) if item.reference else None,
        previews=folder,
        classifier=options.classifier,
        name=item.name,
    )
