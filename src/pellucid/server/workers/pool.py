"""The worker processes and the line before them: orders that are followed, timed and cancelled."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from pellucid.errors import PellucidError
from pellucid.server.settings import Settings
from pellucid.server.workers.process import Told, WorkerDied, WorkerProcess
from pellucid.server.workers.tasks import Busy, Cancelled, Failed, Order, Outcome, Refused

FIRST_GUESS = 2.0  # seconds that an order is thought to take before any was seen
NEWEST = 0.2  # the weight of the newest order in how long they take
LONGEST_WAIT = 60  # seconds between two attempts at starting a worker

Note = Callable[[Order, str, dict[str, Any]], None]


class Pool:
    """Runs orders on worker processes; each waits in line until a worker is free.

    Attributes:
        replaced: how many workers have died, or were ended because of a time limit or a cancelled order.
        on_offer: what the workers say of the denoisers and classifiers that they have loaded, each by name; see
            `pellucid.server.workers.processing.Workshop.on_offer`.
    """

    def __init__(self, settings: Settings, note: Note | None = None) -> None:
        """Take the settings, and who is told each order that has ended, how, and its facts; `start` starts workers."""
        self._settings, self._note = settings, note or (lambda order, ending, facts: None)
        self.on_offer: dict[str, dict[str, Any]] = {}
        self._waiting: deque[_Ticket] = deque()
        self._arrived = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = self._working = 0
        self._usual = FIRST_GUESS
        self._stopping = False
        self.replaced = 0

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self._settings.workers

    @property
    def up(self) -> int:
        """How many workers are started and alive."""
        return self._idle + self._working

    @property
    def working(self) -> int:
        """How many orders are being worked on."""
        return self._working

    @property
    def waiting(self) -> int:
        """How many orders wait for a worker."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether another order would be turned away."""
        return len(self._waiting) >= self._settings.queue_length + self._idle

    @property
    def retry_after(self) -> int:
        """In how many whole seconds there may be room in the line, as far as the past tells."""
        return min(600, max(1, math.ceil(self._usual * (len(self._waiting) + 1) / self.size)))

    async def start(self) -> None:
        """Start the workers; returns once the first is ready.

        Raises:
            PellucidError: if it cannot be started.
        """
        first = await WorkerProcess.started(self._settings)
        self.on_offer = first.on_offer
        self._tasks = [asyncio.create_task(self._serve(first))]
        self._tasks += [asyncio.create_task(self._serve(None)) for _ in range(self.size - 1)]

    async def run(
        self,
        order: Order,
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: asyncio.Event | None = None,
        waits: bool = True,
    ) -> Outcome:
        """Have an order done, and return what was found.

        Args:
            order: what is to be done.
            progress: told the share that is done, from 0 to 1, on the event loop.
            cancelled: when it is set, the work stops, whether it has begun or not.
            waits: whether to stand in line if no worker is free.

        Raises:
            Refused: if the image cannot be taken.
            Failed: if the worker died, or took longer than the time limit.
            Cancelled: if `cancelled` was set. If the calling task is cancelled, the work stops too.
            Busy: if the line is full, or the service is stopping.
        """
        room = self._settings.queue_length if waits else 0
        if self._stopping or len(self._waiting) >= room + self._idle:
            raise Busy(self.retry_after)
        ticket = _Ticket(order, progress, asyncio.get_running_loop().create_future())
        watch = asyncio.create_task(self._watch(ticket, cancelled)) if cancelled else None
        async with self._arrived:
            self._waiting.append(ticket)
            self._arrived.notify()
        ending, facts = "failed", {}
        try:
            outcome = await asyncio.shield(ticket.answer)
            ending, facts = "done", outcome.facts
            return outcome
        except (asyncio.CancelledError, Cancelled):
            self._cancel(ticket)
            ending = "cancelled"
            raise
        except Refused:
            ending = "refused"
            raise
        finally:
            if watch:
                watch.cancel()
            self._note(order, ending, facts)

    async def stop(self) -> None:
        """Take no more orders, let what runs finish within the stop timeout, and end the workers.

        What waits is answered with Busy.
        """
        self._stopping = True
        while self._waiting:
            self._waiting.popleft().fail(Busy(self.retry_after))
        async with self._arrived:
            self._arrived.notify_all()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.stop_timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, ticket: "_Ticket", cancelled: asyncio.Event) -> None:
        await cancelled.wait()
        self._cancel(ticket)

    def _cancel(self, ticket: "_Ticket") -> None:
        ticket.cancelled.set()
        if ticket in self._waiting:
            self._waiting.remove(ticket)
            ticket.fail(Cancelled(f"{ticket.order.name} was cancelled before its turn"))

    async def _serve(self, worker: WorkerProcess | None) -> None:
        """Work through the line with one process, which is replaced when it ends, until the pool is stopped."""
        try:
            while not self._stopping:
                worker = worker or await self._replacement()
                if worker is None:
                    return
                ticket = await self._next(worker)
                lives = await self._work(worker, ticket) if ticket else self._stopping
                if not lives:
                    self.replaced += 1
                    worker = None
        finally:
            if worker:
                await worker.end()

    async def _replacement(self) -> WorkerProcess | None:
        """Start a worker, again and again if that fails; None if the pool is stopped meanwhile."""
        wait = 1
        while not self._stopping:
            try:
                return await WorkerProcess.started(self._settings)
            except PellucidError:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
        return None

    async def _next(self, worker: WorkerProcess) -> "_Ticket | None":
        """Return the first in line; None when the pool is stopped, or the worker has died."""
        died = asyncio.create_task(worker.died())
        died.add_done_callback(lambda _: asyncio.ensure_future(self._wake()))
        self._idle += 1
        try:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._waiting or self._stopping or died.done())
                return None if self._stopping or died.done() else self._waiting.popleft()
        finally:
            self._idle -= 1
            died.cancel()

    async def _wake(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()

    async def _work(self, worker: WorkerProcess, ticket: "_Ticket") -> bool:
        """Have a ticket's order done and answer it; returns whether the worker can go on."""
        self._working += 1
        try:
            async with asyncio.timeout(self._settings.time_limit):
                told = await worker.run(ticket.order, ticket.tell, ticket.cancelled)
        except TimeoutError:
            await worker.end()
            limit = f"{self._settings.time_limit:g} s"
            ticket.fail(Failed(f"{ticket.order.name} took longer than {limit}: send a smaller image", 504))
            return False
        except WorkerDied:
            await worker.end()
            if ticket.cancelled.is_set():
                ticket.fail(Cancelled(f"{ticket.order.name} was cancelled"))
            else:
                ticket.fail(Failed(f"the work on {ticket.order.name} ended unexpectedly: send a smaller image"))
            return False
        except asyncio.CancelledError:
            ticket.fail(Failed(f"the service was stopped while it worked on {ticket.order.name}", 503))
            raise
        finally:
            self._working -= 1
        if "facts" in told:
            self._usual += NEWEST * (told["facts"]["seconds"] - self._usual)
        ticket.answer_with(told)
        return True


class _Ticket:
    """An order in line."""

    def __init__(
        self, order: Order, progress: Callable[[float], None] | None, answer: "asyncio.Future[Outcome]"
    ) -> None:
        self.order, self.answer, self.cancelled = order, answer, asyncio.Event()
        self._progress = progress

    def tell(self, done: float) -> None:
        if self._progress and not self.cancelled.is_set():
            self._progress(done)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # whoever waited may be gone: then nobody asks for it

    def answer_with(self, told: Told) -> None:
        if "facts" in told:
            if not self.answer.done():
                self.answer.set_result(Outcome(told["facts"]))
        elif "cancelled" in told:
            self.fail(Cancelled(f"{self.order.name} was cancelled"))
        elif "refused" in told:
            self.fail(Refused(told["refused"], told["status"]))
        else:
            self.fail(Failed(told["failed"]))
