"""Jobs: accepted, run, watched, cancelled, run again with other options, kept for a while, removed."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.server.jobs.async_store import Ledger
from pellucid.server.jobs.database import Item, Job, Options, Store
from pellucid.server.jobs.disk_quota import NoRoom, Room
from pellucid.server.jobs.events import Watch, within
from pellucid.server.jobs.files import Spool, new_name, remove, size_of
from pellucid.server.jobs.runner import Runner, Running
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import Busy

EVENT_PAUSE, MANY = 0.2, 100  # seconds between two reports on a job, which grow with every so many images of it
SILENCE = 15.0  # seconds after which a report says that nothing is new
EXPIRY_PAUSE = 60.0  # the most seconds between two looks for what has expired

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """One image of a job to be.

    Attributes:
        name: what its sender calls it.
        source: where it lies in the scratch.
        reference: where a clean image to compare it with lies there, or None.
        error: why it has failed before it is begun, or None.
    """

    name: str
    source: Path
    reference: Path | None = None
    error: str | None = None


class Jobs:
    """All jobs of a service; its methods are for the event loop, which they never hold up.

    Attributes:
        room: what keeps to the disk budget.
        waiting: the images that waited for their turn when `count` was called.
        used: the bytes of all uploads and results then.
    """

    def __init__(self, settings: Settings, spool: Spool, pool: Runner, clock: Callable[[], float] = time.time) -> None:
        """Take the settings, the spool, which is held, and the pool; `clock` tells seconds since 1970."""
        self._settings, self._spool, self._pool = settings, spool, pool
        self._ledger = Ledger(spool.database, clock)
        self._watch = Watch()
        self.room = Room(settings, spool, self._ledger, clock)
        self._running = Running(spool, self._ledger, self.room, self._watch, pool)
        self._tasks: list[asyncio.Task[None]] = []
        self.waiting = self.used = 0

    async def start(self) -> None:
        """Put right what a kill left, and begin to work.

        Raises:
            PellucidError: if the database cannot be used.
        """
        await self._ledger.open()
        await self._ledger.call(Store.recover, self._settled)
        await asyncio.to_thread(self._spool.tidy, *await self._ledger.call(Store.known))
        self._tasks = [asyncio.create_task(self._running.work()), asyncio.create_task(self._expire())]

    @property
    def works(self) -> bool:
        """Whether what waits will be run."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def close(self) -> None:
        """Begin nothing more, and end the reports to those who watch; what waits is kept for the next start."""
        self._running.close()
        self._watch.tell_all()

    async def stop(self) -> None:
        """Wait for what runs, which is for the pool to end, and close the database; `start` is the way back."""
        self.close()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("jobs had stopped", exc_info=ended)
        await self._ledger.close()

    async def check_line(self, new: int = 1) -> None:
        """Raise Busy if so many more images may not wait."""
        await self.count()
        if self.waiting + new > self._settings.max_waiting:
            raise Busy(self._pool.retry_after)

    async def accept(self, options: Options, uploads: Sequence[Upload]) -> Job:
        """Accept a job, and take its uploads: once this returns, it will be done, or fail with a reason.

        The caller has `room.expecting` it, and at least one of the uploads has not failed before it is begun.

        Raises:
            Busy: if too many images wait already.
            NoRoom: if there is none for it.
        """
        # Shielded, so that a client who leaves now leaves either a job with its files or neither.
        return await asyncio.shield(self._accept(options, uploads))

    async def again(self, id: str, options: Options) -> Job | None:
        """Accept a job on the images of another, which are not sent again; None if that is not there any more.

        Raises:
            Busy: if too many images wait already.
            NoRoom: if there is none for it.
        """
        before = await self.job(id)
        if before is None:
            return None
        await self.check_line(sum(not item.is_refused for item in before.items))
        # It may be removed at this very moment, and the images with it.
        with suppress(sqlite3.IntegrityError), self.room.pinned(id):
            return await self._add(options, before.items, {})
        return None

    async def job(self, id: str) -> Job | None:
        """Return a job as it stands, or None if there is none of this id."""
        return await self._ledger.call(Store.job, id)

    def share(self, item: Item) -> float:
        """Return how much of an item is done, from 0 to 1."""
        return self._watch.share(item)

    async def cancel(self, id: str) -> None:
        """Stop what runs of a job, and begin no more of it."""
        await self._ledger.call(Store.cancel, id)
        self._running.cancel(id)
        self._watch.tell(id)

    async def remove(self, id: str) -> bool:
        """Remove a finished job and its files; returns whether there was one."""
        is_gone = await self.room.remove(id)
        self._watch.tell(id)
        return is_gone

    async def reports(self, id: str) -> AsyncIterator[Job | None]:
        """Yield a job as it stands, again at each change until it is finished or removed; None if there is no news."""
        with self._watch.changes(id) as changed:
            while job := await self.job(id):
                yield job
                if job.finished is not None or self._running.closing.is_set():
                    return
                await within(self._running.closing, EVENT_PAUSE * (1 + len(job.items) / MANY))
                while not await within(changed, SILENCE):
                    yield None
                changed.clear()

    async def count(self) -> None:
        """Look how many images wait, and how much is kept."""
        self.waiting = await self._ledger.call(Store.waiting)
        self.used = await self._ledger.call(Store.used)

    async def _accept(self, options: Options, uploads: Sequence[Upload]) -> Job:
        await self.check_line(sum(not upload.error for upload in uploads))
        kept: dict[str, int] = {}

        def keep(path: Path) -> str:
            size = size_of(path)
            kept[name := self._spool.keep(path)] = size
            return name

        def items() -> Iterator[Item]:
            for number, upload in enumerate(uploads, 1):
                reference = keep(upload.reference) if upload.reference else None
                state = "failed" if upload.error else "queued"
                yield Item("", number, upload.name, keep(upload.source), reference, state, error=upload.error)

        try:
            return await self._add(options, await asyncio.to_thread(list, items()), kept)
        except BaseException:
            for name in kept:
                remove(self._spool.upload(name))
            raise

    async def _add(self, options: Options, items: Sequence[Item], sizes: Mapping[str, int]) -> Job:
        await self.room.make()
        try:
            job = await self._ledger.call(Store.add, new_name(), options, items, sizes)
        except sqlite3.OperationalError as error:
            raise NoRoom(f"the service cannot write the job down ({error}): free some space on its disk") from error
        self._running.arrived()
        return job

    async def _expire(self) -> None:
        pause = min(EXPIRY_PAUSE, self._settings.job_expiry / 4)
        while True:
            try:
                await self.room.expire()
            except (OSError, sqlite3.OperationalError) as error:
                log.warning("cannot remove what has expired: %s", error)
            if await within(self._running.closing, pause):
                return

    def _settled(self, job: str, number: int) -> tuple[dict[str, Any], int] | None:
        facts = self._spool.settled(job, number)
        return None if facts is None else (facts, size_of(self._spool.item(job, number)))
