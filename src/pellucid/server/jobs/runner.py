"""The items of jobs, run one after the other on the pool, as many at a time as there are workers."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pellucid.errors import PellucidError
from pellucid.server.jobs.async_store import Ledger
from pellucid.server.jobs.database import Ending, Item, Options, Store
from pellucid.server.jobs.disk_quota import Room
from pellucid.server.jobs.events import Watch, within
from pellucid.server.jobs.files import PREVIEWS, RESULT, Spool, find, remove, size_of
from pellucid.server.workers.tasks import Busy, Cancelled, Failed, Order, Outcome
from pellucid.utils.atomic_write import reason_of

LINE_PAUSE = 0.5  # seconds between two attempts to stand in a line that is full
STOPPED = 503  # the status of what failed because the service was stopping

OWN_FAULT = "the service failed at it, and has noted why: tell whoever runs it"

log = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs orders; `pellucid.server.workers.pool.Pool` does."""

    @property
    def size(self) -> int:
        """How many at a time."""
        ...

    @property
    def retry_after(self) -> int:
        """In how many whole seconds there may be room for more."""
        ...

    async def run(
        self,
        order: Order,
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: asyncio.Event | None = None,
        waits: bool = True,
    ) -> Outcome:
        """Have an order done."""
        ...


class Running:
    """Runs what waits in the store, and notes how it ended."""

    def __init__(self, spool: Spool, ledger: Ledger, room: Room, watch: Watch, pool: Runner) -> None:
        """Take what jobs are kept in, who is told of them, and what runs them."""
        self._spool, self._ledger, self._room, self._watch, self._pool = spool, ledger, room, watch, pool
        self._arrived, self.closing = asyncio.Event(), asyncio.Event()
        self._cancelled: dict[tuple[str, int], asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Run what waits, whenever there is a worker for it, until `close`; returns when what runs has ended."""
        free = asyncio.Semaphore(self._pool.size)
        while not self.closing.is_set():
            await free.acquire()
            claimed = await self._claimed()
            if claimed is None:
                break
            task = asyncio.create_task(self._run(*claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: free.release())
        while self._tasks:
            await asyncio.wait(self._tasks)

    def arrived(self) -> None:
        """Say that there is something to run."""
        self._arrived.set()

    def close(self) -> None:
        """Begin nothing more; what waits is kept."""
        self.closing.set()
        self._arrived.set()

    def cancel(self, job: str) -> None:
        """Stop what runs of a job that the store knows to be cancelled."""
        for (its_job, _), cancelled in self._cancelled.items():
            if its_job == job:
                cancelled.set()

    async def _claimed(self) -> tuple[Item, Options] | None:
        """Return the next item, begun; None when the service is stopping."""
        while not self.closing.is_set():
            self._arrived.clear()
            if claimed := await self._ledger.insist(self.closing, Store.claim):
                return claimed
            if not self.closing.is_set():
                await self._arrived.wait()
        return None

    async def _run(self, item: Item, options: Options) -> None:
        cancelled = self._cancelled[item.job, item.number] = asyncio.Event()
        try:
            with self._watch.following(item), self._room.pinned(item.job):
                ending = await self._ending(item, options, cancelled)
                if ending is None:
                    await self._ledger.insist(self.closing, Store.put_back, item)
                else:
                    await self._ledger.insist(self.closing, Store.end, item, ending)
                await self._room.trim()
        except sqlite3.OperationalError:
            log.exception("how item %s of job %s ended is seen on the next start", item.number, item.job)
        finally:
            del self._cancelled[item.job, item.number]

    async def _ending(self, item: Item, options: Options, cancelled: asyncio.Event) -> Ending | None:
        """Do the work on an item, and return how it ended; None if the stopping service cut it short."""
        try:
            # The job may have been cancelled between the claim and the event that says so.
            if await self._ledger.call(Store.is_cancelled, item.job):
                return Ending("cancelled")
            await self._room.check()
            folder = await asyncio.to_thread(self._spool.attempt, item.job, item.number, item.attempts)
            try:
                outcome = await self._outcome(_order(self._spool, item, options, folder), item, cancelled)
                facts = outcome.facts | {"previews": [kind for kind in PREVIEWS if find(folder, kind)]}
                await asyncio.to_thread(self._spool.settle, folder, item.job, item.number, facts)
            finally:
                await asyncio.to_thread(remove, folder)
            return Ending("done", facts=facts, size=size_of(self._spool.item(item.job, item.number)))
        except Cancelled:
            return Ending("cancelled")
        except (Busy, Failed) as error:
            is_cut_short = isinstance(error, Busy) or error.status == STOPPED
            return None if is_cut_short and self.closing.is_set() else Ending("failed", str(error))
        except PellucidError as error:
            return Ending("failed", str(error))
        except OSError as error:
            return Ending("failed", f"the service cannot keep the result: {reason_of(error)}")
        except Exception:
            log.exception("item %s of job %s", item.number, item.job)
            return Ending("failed", OWN_FAULT)

    async def _outcome(self, order: Order, item: Item, cancelled: asyncio.Event) -> Outcome:
        """Have an order done, once there is a place in the line, which requests may fill for a while."""
        while True:
            outcome = None
            try:
                outcome = await self._pool.run(
                    order, progress=lambda share: self._watch.progress(item, share), cancelled=cancelled
                )
            except Busy:
                if self.closing.is_set():
                    raise
                await within(cancelled, LINE_PAUSE)
            if cancelled.is_set():
                raise Cancelled(f"{item.name} was cancelled")
            if outcome:
                return outcome


def _order(spool: Spool, item: Item, options: Options, folder: Path) -> Order:
    return Order(
        "denoise",
        spool.upload(item.source),
        folder / RESULT,
        model=options.model,
        sigma=options.sigma,
        strength=options.strength,
        reference=spool.upload(item.reference) if item.reference else None,
        previews=folder,
        classifier=options.classifier,
        name=item.name,
    )
