"""The store of jobs for the event loop: one thread, which may wait for the disk, makes all calls to it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pellucid.server.jobs.database import Store

Given = ParamSpec("Given")
Found = TypeVar("Found")

PAUSE = 1.0  # seconds between two attempts to write down what has to be written down

log = logging.getLogger(__name__)


class Ledger:
    """Calls methods of a `Store`, one after the other: `await ledger.call(Store.job, id)`."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Take the file and a clock that tells seconds since 1970; `open` opens it."""
        self._path, self._clock = path, clock
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._store: Store | None = None

    async def open(self) -> None:
        """Open the store.

        Raises:
            PellucidError: if it cannot be used.
        """
        self._store = await self._on_thread(lambda: Store(self._path, self._clock))

    async def close(self) -> None:
        """Close the store, if it is open, once the calls under way are done."""
        if self._store:
            await self._on_thread(self._store.close)
        self._thread.shutdown()

    async def call(
        self, method: Callable[Concatenate[Store, Given], Found], *args: Given.args, **kwargs: Given.kwargs
    ) -> Found:
        """Return what a method of the store, which is open, returns."""
        store = self._store
        assert store
        return await self._on_thread(lambda: method(store, *args, **kwargs))

    async def insist(
        self,
        ended: asyncio.Event,
        method: Callable[Concatenate[Store, Given], Found],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Found:
        """Return what a method of the store returns; on a full disk try again and again, until `ended` is set."""
        while True:
            try:
                return await self.call(method, *args, **kwargs)
            except sqlite3.OperationalError as error:
                if ended.is_set():
                    raise
                log.warning("cannot write to %s (%s): free some space on its disk", self._path, error)
                await asyncio.sleep(PAUSE)

    async def _on_thread(self, call: Callable[[], Found]) -> Found:
        # Shielded, so that a caller who leaves cannot part a call from those that follow it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))
