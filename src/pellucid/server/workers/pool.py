"""The pool of worker processes, with the queue of work requests that wait for one: timed, cancelled, retried."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from pellucid.errors import PellucidError
from pellucid.server.settings import Settings
from pellucid.server.workers.process import Message, WorkerDied, WorkerProcess
from pellucid.server.workers.tasks import Cancelled, QueueFull, WorkFailed, WorkRefused, WorkRequest, WorkResult

INITIAL_SECONDS = 2.0  # expected duration of a request before any was measured
MEAN_UPDATE_WEIGHT = 0.2  # of the latest request in the running mean of durations
MAX_RESTART_DELAY = 60  # seconds between two attempts to start a worker

OnFinished = Callable[[WorkRequest, str, dict[str, Any]], None]


class Pool:
    """Runs work requests on worker processes; each waits in the queue until a worker is idle.

    Attributes:
        num_replaced: how many workers have died, or were ended because of a time limit or a cancelled request.
        available_models: the denoisers and classifiers that the workers have loaded, each by name; see
            `pellucid.server.workers.processing.ModelHost.available_models`.
    """

    def __init__(self, settings: Settings, on_finished: OnFinished | None = None) -> None:
        """Take the settings; `start` starts the workers.

        Args:
            settings: of the service.
            on_finished: called with each request that has ended, its outcome (`done`, `refused`, `failed`, `cancelled`)
                and its metadata.
        """
        self._settings, self._on_finished = settings, on_finished or (lambda request, outcome, metadata: None)
        self.available_models: dict[str, dict[str, Any]] = {}
        self._waiting: deque[_QueuedRequest] = deque()
        self._queue_changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = self._working = 0
        self._mean_seconds = INITIAL_SECONDS
        self._stopping = False
        self.num_replaced = 0

    @property
    def size(self) -> int:
        """The number of workers that the pool keeps running."""
        return self._settings.workers

    @property
    def num_alive(self) -> int:
        """The number of workers that are started and alive."""
        return self._idle + self._working

    @property
    def working(self) -> int:
        """The number of requests that workers process now."""
        return self._working

    @property
    def waiting(self) -> int:
        """The number of requests in the queue."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether another request would be refused."""
        return len(self._waiting) >= self._settings.queue_length + self._idle

    @property
    def retry_after(self) -> int:
        """In how many whole seconds the queue may have space, judged by past requests."""
        return min(600, max(1, math.ceil(self._mean_seconds * (len(self._waiting) + 1) / self.size)))

    async def start(self) -> None:
        """Start the workers; returns once the first is ready.

        Raises:
            PellucidError: if it cannot be started.
        """
        first = await WorkerProcess.started(self._settings)
        self.available_models = first.available_models
        self._tasks = [asyncio.create_task(self._serve(first))]
        self._tasks += [asyncio.create_task(self._serve(None)) for _ in range(self.size - 1)]

    async def run(
        self,
        request: WorkRequest,
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: asyncio.Event | None = None,
        may_queue: bool = True,
    ) -> WorkResult:
        """Run a request and return its result.

        Args:
            request: the work.
            progress: called on the event loop with the fraction that is done, from 0 to 1.
            cancelled: when it is set, the work stops, whether it has started or not.
            may_queue: whether to wait in the queue if no worker is idle.

        Raises:
            WorkRefused: if the image cannot be processed.
            WorkFailed: if the worker died, or took longer than the time limit.
            Cancelled: if `cancelled` was set. If the calling task is cancelled, the work stops too.
            QueueFull: if the queue is full, or the service is stopping.
        """
        max_waiting = self._settings.queue_length if may_queue else 0
        if self._stopping or len(self._waiting) >= max_waiting + self._idle:
            raise QueueFull(self.retry_after)
        queued = _QueuedRequest(request, progress, asyncio.get_running_loop().create_future())
        canceller = asyncio.create_task(self._cancel_when_set(queued, cancelled)) if cancelled else None
        async with self._queue_changed:
            self._waiting.append(queued)
            self._queue_changed.notify()
        outcome, metadata = "failed", {}
        try:
            result = await asyncio.shield(queued.future)
            outcome, metadata = "done", result.metadata
            return result
        except (asyncio.CancelledError, Cancelled):
            self._cancel(queued)
            outcome = "cancelled"
            raise
        except WorkRefused:
            outcome = "refused"
            raise
        finally:
            if canceller:
                canceller.cancel()
            self._on_finished(request, outcome, metadata)

    async def stop(self) -> None:
        """Accept no more requests, let those that run finish within the stop timeout, and end the workers.

        Those in the queue fail with QueueFull.
        """
        self._stopping = True
        while self._waiting:
            self._waiting.popleft().fail(QueueFull(self.retry_after))
        await self._notify_queue()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.stop_timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cancel_when_set(self, queued: "_QueuedRequest", cancelled: asyncio.Event) -> None:
        await cancelled.wait()
        self._cancel(queued)

    def _cancel(self, queued: "_QueuedRequest") -> None:
        queued.cancelled.set()
        if queued in self._waiting:
            self._waiting.remove(queued)
            queued.fail(Cancelled(f"{queued.request.name} was cancelled before it was started"))

    async def _serve(self, worker: WorkerProcess | None) -> None:
        """Process requests with one worker, which is replaced when it ends, until the pool is stopped."""
        try:
            while not self._stopping:
                worker = worker or await self._start_replacement()
                if worker is None:
                    return
                queued = await self._next(worker)
                is_alive = await self._process(worker, queued) if queued else self._stopping
                if not is_alive:
                    self.num_replaced += 1
                    worker = None
        finally:
            if worker:
                await worker.end()

    async def _start_replacement(self) -> WorkerProcess | None:
        """Start a worker, and try again if that fails; None if the pool is stopped meanwhile."""
        delay = 1
        while not self._stopping:
            try:
                return await WorkerProcess.started(self._settings)
            except PellucidError:
                await asyncio.sleep(delay)
                delay = min(2 * delay, MAX_RESTART_DELAY)
        return None

    async def _next(self, worker: WorkerProcess) -> "_QueuedRequest | None":
        """Return the first request of the queue; None when the pool is stopped, or the worker has died."""
        died = asyncio.create_task(worker.died())
        died.add_done_callback(lambda _: asyncio.ensure_future(self._notify_queue()))
        self._idle += 1
        try:
            async with self._queue_changed:
                await self._queue_changed.wait_for(lambda: self._waiting or self._stopping or died.done())
                return None if self._stopping or died.done() else self._waiting.popleft()
        finally:
            self._idle -= 1
            died.cancel()

    async def _notify_queue(self) -> None:
        async with self._queue_changed:
            self._queue_changed.notify_all()

    async def _process(self, worker: WorkerProcess, queued: "_QueuedRequest") -> bool:
        """Run a request on a worker and resolve it; returns whether the worker can go on."""
        name = queued.request.name
        self._working += 1
        try:
            async with asyncio.timeout(self._settings.time_limit):
                reply = await worker.run(queued.request, queued.report_progress, queued.cancelled)
        except TimeoutError:
            await worker.end()
            limit = f"{self._settings.time_limit:g} s"
            queued.fail(WorkFailed(f"{name} took longer than {limit}: send a smaller image", 504))
            return False
        except WorkerDied:
            await worker.end()
            if queued.cancelled.is_set():
                queued.fail(Cancelled(f"{name} was cancelled"))
            else:
                queued.fail(WorkFailed(f"the work on {name} ended unexpectedly: send a smaller image"))
            return False
        except asyncio.CancelledError:
            queued.fail(WorkFailed(f"the service was stopped while it worked on {name}", 503))
            raise
        finally:
            self._working -= 1
        if "metadata" in reply:
            self._mean_seconds += MEAN_UPDATE_WEIGHT * (reply["metadata"]["seconds"] - self._mean_seconds)
        queued.resolve(reply)
        return True


class _QueuedRequest:
    """A request with the future that its caller waits for."""

    def __init__(
        self, request: WorkRequest, progress: Callable[[float], None] | None, future: "asyncio.Future[WorkResult]"
    ) -> None:
        self.request, self.future, self.cancelled = request, future, asyncio.Event()
        self._progress = progress

    def report_progress(self, fraction: float) -> None:
        if self._progress and not self.cancelled.is_set():
            self._progress(fraction)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # the caller may be gone: then nobody retrieves it

    def resolve(self, reply: Message) -> None:
        if "metadata" in reply:
            if not self.future.done():
                self.future.set_result(WorkResult(reply["metadata"]))
        elif "cancelled" in reply:
            self.fail(Cancelled(f"{self.request.name} was cancelled"))
        elif "refused" in reply:
            self.fail(WorkRefused(reply["refused"], reply["status"]))
        else:
            self.fail(WorkFailed(reply["failed"]))
