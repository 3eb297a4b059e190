"""Run jobs that depend on one another in several processes, with progress; Ctrl-C lets each save its state."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError

POLL_SECONDS = 0.5
MIN_FRACTION = 0.01
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ReportProgress = Callable[[float], None]


@dataclass(frozen=True)
class Job:
    """A piece of work that leaves its result on disk.

    Attributes:
        name: unique, shown to the user.
        call: a function of a module; it is called with the arguments and a callback for the fraction that is done.
        arguments: the arguments of `call`, which are pickled to reach another process.
        depends_on: the names of the jobs that must succeed before.
        cost: about how long it takes, in seconds of one core.
    """

    name: str
    call: Callable[..., None]
    arguments: tuple[Any, ...]
    depends_on: tuple[str, ...] = ()
    cost: float = 1.0


@dataclass(frozen=True)
class JobsProgress:
    """How far all jobs together are.

    Attributes:
        done: the fraction of the work that is done, in [0, 1].
        jobs_done: how many jobs have ended.
        jobs: how many there are.
        running: the running jobs, with the fraction of each that is done.
        seconds_left: an estimate, or None before one is possible.
    """

    done: float
    jobs_done: int
    jobs: int
    running: dict[str, float]
    seconds_left: float | None


def run_jobs(jobs: Sequence[Job], workers: int, progress: Callable[[JobsProgress], None]) -> dict[str, str]:
    """Run jobs, each after those it depends on; return why jobs failed, by name.

    A job that depends on a failed one is skipped. With one worker the jobs run in this process, one after another;
    with more, each worker is a process with one thread.

    Args:
        jobs: the jobs in the preferred order.
        workers: how many run at the same time.
        progress: called whenever something changes.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the running jobs have saved their state; its text says how to continue.
    """
    tracker = _JobTracker(jobs, progress)
    try:
        if workers > 1:
            _run_in_processes(tracker, workers)
        else:
            while ready := tracker.ready():
                job = ready[0]
                tracker.start(job)
                tracker.finish(job, _run_job(job, functools.partial(tracker.update, job.name)))
    except KeyboardInterrupt:
        done = f"{len(tracker.ended)} of {len(jobs)} jobs are done"
        raise KeyboardInterrupt(f"{done}, the others are saved up to now; to continue: the same command") from None
    return tracker.failures


class _JobTracker:
    """Which jobs wait, run and have ended."""

    def __init__(self, jobs: Sequence[Job], progress: Callable[[JobsProgress], None]) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.sorter = TopologicalSorter({job.name: job.depends_on for job in jobs})
        self.sorter.prepare()
        self.waiting: set[str] = set()
        self.running: dict[str, float] = {}
        self.ended: set[str] = set()
        self.blocked: set[str] = set()
        self.failures: dict[str, str] = {}
        self.progress = progress
        self.start_time = time.monotonic()

    def ready(self) -> list[Job]:
        """Return the jobs that can start now, in the order of all jobs; those that depend on a failed one end here."""
        while names := self.sorter.get_ready():
            for name in names:
                if self.blocked.intersection(self.jobs[name].depends_on):
                    self._end(name, is_blocked=True)
                else:
                    self.waiting.add(name)
        return [job for name, job in self.jobs.items() if name in self.waiting]

    def start(self, job: Job) -> None:
        """Mark a job as running."""
        self.waiting.remove(job.name)
        self.running[job.name] = 0.0
        self.update(job.name, 0.0)

    def update(self, name: str, fraction: float) -> None:
        """Note how much of a job is done, and report the progress of all."""
        if name in self.running:
            self.running[name] = fraction
        total = sum(job.cost for job in self.jobs.values())
        fractions = dict.fromkeys(self.ended, 1.0) | self.running
        done = sum(job.cost * fractions.get(name, 0.0) for name, job in self.jobs.items()) / total if total else 1.0
        elapsed = time.monotonic() - self.start_time
        left = elapsed * (1 - done) / done if done > MIN_FRACTION else None
        self.progress(JobsProgress(done, len(self.ended), len(self.jobs), dict(self.running), left))

    def finish(self, job: Job, failure: str | None) -> None:
        """Mark a job as ended, with the reason if it failed."""
        self.running.pop(job.name, None)
        if failure is not None:
            self.failures[job.name] = failure
        self._end(job.name, is_blocked=failure is not None)
        self.update(job.name, 1.0)

    def _end(self, name: str, is_blocked: bool) -> None:
        self.ended.add(name)
        self.sorter.done(name)
        if is_blocked:
            self.blocked.add(name)


def _run_in_processes(tracker: _JobTracker, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    with (
        _single_threaded_children(),
        ProcessPoolExecutor(workers, context, _start_worker, (messages, os.getpid())) as executor,
    ):
        pool = _WorkerPool(tracker, executor, messages)
        try:
            while len(tracker.ended) < len(tracker.jobs):
                for job in tracker.ready()[: workers - len(pool.futures)]:
                    tracker.start(job)
                    pool.futures[executor.submit(_work, job)] = job
                pool.wait()
        except BrokenProcessPool:
            for job in tracker.jobs.values():
                if job.name not in tracker.ended:
                    tracker.failures[job.name] = "a process ended abruptly, perhaps out of memory: try fewer workers"
        except KeyboardInterrupt:
            pool.interrupt()
            raise


class _WorkerPool:
    """The worker processes and their jobs."""

    def __init__(self, tracker: _JobTracker, executor: ProcessPoolExecutor, messages: Any) -> None:
        self.tracker = tracker
        self.executor = executor
        self.messages = messages
        self.futures: dict[Future, Job] = {}
        self.pids: set[int] = set()

    def wait(self) -> None:
        """Wait a moment for messages and for jobs that end, and pass both on."""
        ended, _ = wait(self.futures, POLL_SECONDS, FIRST_COMPLETED)
        self.read_messages()
        for future in ended:
            self.tracker.finish(self.futures.pop(future), future.result())

    def read_messages(self) -> None:
        """Read what the workers sent: first their process ids, then how much of a job is done."""
        while not self.messages.empty():
            name, value = self.messages.get()
            if name is None:
                self.pids.add(value)
            else:
                self.tracker.update(name, value)

    def interrupt(self) -> None:
        """Let every running job save its state, and wait for all of them."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        signaled: set[int] = set()
        unfinished = set(self.futures)
        while unfinished:
            self.read_messages()
            for pid in self.pids - signaled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            signaled |= self.pids
            unfinished = {future for future in wait(unfinished, POLL_SECONDS).not_done if not future.cancelled()}


def _run_job(job: Job, report_progress: ReportProgress) -> str | None:
    """Run a job and return why it failed, or None."""
    try:
        job.call(*job.arguments, report_progress)
    except PellucidError as error:
        return str(error)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
    return None


class _Worker:
    """The state of a worker process."""

    messages: Any = None
    busy = False
    stopping = False


def _start_worker(messages: Any, parent: int) -> None:
    """Set up a worker process: one thread, and Ctrl-C reaches it only through the parent, once."""
    import torch

    os.setpgrp()
    torch.set_num_threads(1)
    _Worker.messages = messages
    signal.signal(signal.SIGINT, _on_interrupt)
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    messages.put((None, os.getpid()))


def _on_interrupt(number: int, frame: Any) -> None:
    _Worker.stopping = True
    if _Worker.busy:
        raise KeyboardInterrupt


def _exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended, after the current job has saved its state."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)
    while _Worker.busy:
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _work(job: Job) -> str | None:
    """Run a job in a worker process."""
    last_report = 0.0

    def report_progress(fraction: float) -> None:
        nonlocal last_report
        if time.monotonic() - last_report > POLL_SECONDS:
            last_report = time.monotonic()
            _Worker.messages.put((job.name, fraction))

    try:
        _Worker.busy = True
        return "interrupted" if _Worker.stopping else _run_job(job, report_progress)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        _Worker.busy = False


@contextlib.contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Let the libraries of the processes that start meanwhile use one thread each."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
