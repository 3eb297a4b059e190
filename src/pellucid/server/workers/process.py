"""One worker process, as the web process sees it: started, sent requests as lines of JSON, cancelled, ended."""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pellucid.errors import PellucidError
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import WorkRequest

Message = dict[str, Any]

START_LIMIT = 120.0  # seconds in which a worker loads its libraries and networks
CANCEL_LIMIT = 2.0  # seconds in which a worker stops after it was cancelled; then it is killed
MAX_LINE_BYTES = 1 << 22
COMMAND = (sys.executable, "-m", "pellucid.server.workers.worker")


class WorkerDied(Exception):
    """The process has ended, or sent something that is no message."""


class WorkerProcess:
    """A process that runs `pellucid.server.workers.worker`. Its messages are data in JSON, never code.

    Attributes:
        available_models: the models that it has loaded, as in `Pool`.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take the process; `started` makes one."""
        assert process.stdin and process.stdout
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.available_models: dict[str, dict[str, Any]] = {}

    @classmethod
    async def started(cls, settings: Settings) -> "WorkerProcess":
        """Start a process, and return once it is ready for requests.

        Raises:
            PellucidError: if it does not get ready.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=pipe, stdout=pipe, limit=MAX_LINE_BYTES, start_new_session=True
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_LIMIT):
                await worker._send(dataclasses.asdict(settings) | {"token": None})
                reply = await worker._receive()
        except (TimeoutError, WorkerDied):
            await worker.end()
            raise PellucidError("a worker process does not start: see what it wrote to standard error") from None
        except asyncio.CancelledError:
            await worker.end()
            raise
        if "ready" not in reply:
            await worker.end()
            raise PellucidError(str(reply.get("failed", "a worker process does not start")))
        worker.available_models = reply["ready"]
        return worker

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def run(self, request: WorkRequest, progress: Callable[[float], None], cancelled: asyncio.Event) -> Message:
        """Process a request; returns the reply: `metadata`, `refused` with `status`, `failed` or `cancelled`.

        Args:
            request: the work.
            progress: called with the fraction that is done.
            cancelled: when it is set, the worker is asked to stop, and killed if it does not.

        Raises:
            WorkerDied: if the process ended, by itself or because it did not stop after it was cancelled.
        """
        cancelling = asyncio.create_task(self._cancel(cancelled))
        try:
            await self._send({"request": dataclasses.asdict(request)})
            while True:
                message = await self._receive()
                if "progress" not in message:
                    return message
                progress(float(message["progress"]))
        finally:
            cancelling.cancel()

    async def died(self) -> None:
        """Return when the process has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Kill the process."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()

    async def _cancel(self, cancelled: asyncio.Event) -> None:
        await cancelled.wait()
        with suppress(WorkerDied):
            await self._send({"cancel": True})
        await asyncio.sleep(CANCEL_LIMIT)
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _send(self, message: Message) -> None:
        try:
            self._stdin.write(json.dumps(message, default=str).encode() + b"\n")
            await self._stdin.drain()
        except OSError as error:
            raise WorkerDied from error

    async def _receive(self) -> Message:
        try:
            message = json.loads(await self._stdout.readline())
        except (ValueError, OSError) as error:
            raise WorkerDied from error
        if not isinstance(message, dict):
            raise WorkerDied
        return message
