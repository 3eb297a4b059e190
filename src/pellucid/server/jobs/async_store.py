"""The job store for the event loop: a thread of its own makes all calls, since they wait for the disk."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pellucid.server.jobs.database import JobStore

Params = ParamSpec("Params")
ReturnType = TypeVar("ReturnType")

RETRY_SECONDS = 1.0  # between two attempts at a call that must not fail

log = logging.getLogger(__name__)


class AsyncStore:
    """Calls methods of a `JobStore`, one after the other: `await store.call(JobStore.job, id)`."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Take the file and a clock that returns seconds since 1970; `open` opens it."""
        self._path, self._clock = path, clock
        self._thread = ThreadPoolExecutor(1, "job-store")
        self._store: JobStore | None = None

    async def open(self) -> None:
        """Open the store.

        Raises:
            PellucidError: if it cannot be used.
        """
        self._store = await self._on_thread(lambda: JobStore(self._path, self._clock))

    async def close(self) -> None:
        """Close the store, if it is open, after the calls that are running."""
        if self._store:
            await self._on_thread(self._store.close)
        self._thread.shutdown()

    async def call(
        self, method: Callable[Concatenate[JobStore, Params], ReturnType], *args: Params.args, **kwargs: Params.kwargs
    ) -> ReturnType:
        """Return the return value of a method of the store, which must be open."""
        store = self._store
        assert store
        return await self._on_thread(lambda: method(store, *args, **kwargs))

    async def retry(
        self,
        stopping: asyncio.Event,
        method: Callable[Concatenate[JobStore, Params], ReturnType],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> ReturnType:
        """As `call`; while the disk is full, call again every `RETRY_SECONDS` until `stopping` is set.

        Raises:
            sqlite3.OperationalError: if the call fails and `stopping` is set.
        """
        while True:
            try:
                return await self.call(method, *args, **kwargs)
            except sqlite3.OperationalError as error:
                if stopping.is_set():
                    raise
                log.warning("cannot write to %s (%s): free some space on its disk", self._path, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _on_thread(self, call: Callable[[], ReturnType]) -> ReturnType:
        # Shielded: a call finishes before the next one starts, even if its caller is cancelled.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))
