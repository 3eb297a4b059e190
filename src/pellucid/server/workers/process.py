"""One worker process, seen from the web process: started, given orders as lines of JSON, cancelled, ended."""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import Order

Told = dict[str, Any]

START_LIMIT = 120.0  # seconds in which a worker loads its libraries and networks
CANCEL_LIMIT = 2.0  # seconds in which a worker told to stop does so, or is ended
LONGEST_LINE = 1 << 22
COMMAND = (sys.executable, "-m", "pellucid.server.workers.worker")


class WorkerDied(Exception):
    """The process is gone, or says what cannot be understood."""


class WorkerProcess:
    """A process that runs `pellucid.server.workers.worker`. What it says is data in JSON, never code.

    Attributes:
        on_offer: what it has loaded, as in `Pool`.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take the process; `started` makes one."""
        assert process.stdin and process.stdout
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.on_offer: dict[str, dict[str, Any]] = {}

    @classmethod
    async def started(cls, settings: Settings) -> "WorkerProcess":
        """Start a process, and return once it is ready for orders.

        Raises:
            PellucidError: if it does not get ready.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=pipe, stdout=pipe, limit=LONGEST_LINE, start_new_session=True
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_LIMIT):
                await worker._say(dataclasses.asdict(settings) | {"token": None})
                told = await worker._hear()
        except (TimeoutError, WorkerDied):
            await worker.end()
            raise PellucidError("a worker process does not start: see what it wrote to standard error") from None
        except asyncio.CancelledError:
            await worker.end()
            raise
        if "ready" not in told:
            await worker.end()
            raise PellucidError(str(told.get("failed", "a worker process does not start")))
        worker.on_offer = told["ready"]
        return worker

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def run(self, order: Order, progress: Callable[[float], None], cancelled: asyncio.Event) -> Told:
        """Have an order done; returns what was told last: `facts`, `refused` with `status`, `failed` or `cancelled`.

        Args:
            order: what is to be done.
            progress: told the share that is done.
            cancelled: when it is set, the worker is told to stop, and ended if it does not.

        Raises:
            WorkerDied: if the process ended, by itself or because it did not heed that it was cancelled.
        """
        cancelling = asyncio.create_task(self._cancel(cancelled))
        try:
            await self._say({"order": dataclasses.asdict(order)})
            while True:
                told = await self._hear()
                if "progress" not in told:
                    return told
                progress(float(told["progress"]))
        finally:
            cancelling.cancel()

    async def died(self) -> None:
        """Return when the process has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()

    async def _cancel(self, cancelled: asyncio.Event) -> None:
        await cancelled.wait()
        with suppress(WorkerDied):
            await self._say({"cancel": True})
        await asyncio.sleep(CANCEL_LIMIT)
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _say(self, message: dict[str, Any]) -> None:
        try:
            self._stdin.write(json.dumps(message, default=_plain).encode() + b"\n")
            await self._stdin.drain()
        except OSError as error:
            raise WorkerDied from error

    async def _hear(self) -> Told:
        try:
            line = await self._stdout.readline()
            told = json.loads(line)
        except (ValueError, OSError) as error:
            raise WorkerDied from error
        if not isinstance(told, dict):
            raise WorkerDied
        return told


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} has no place in JSON")
