"""Run jobs that need one another, side by side on some cores, with progress; Ctrl-C lets each save what it has."""

import contextlib
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
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError

POLL_SECONDS = 0.5
LEAST_SHARE = 0.01
Tell = Callable[[float], None]


@dataclass(frozen=True)
class Job:
    """One piece of work that leaves its result on disk.

    Attributes:
        name: unique, shown to the user.
        call: a function of a module, called with the arguments and with a function to tell the share done.
        arguments: what it is called with; they are pickled to reach another process.
        needs: the names of the jobs that must have ended well before.
        cost: about how long it takes, in seconds of one core.
    """

    name: str
    call: Callable[..., None]
    arguments: tuple[Any, ...]
    needs: tuple[str, ...] = ()
    cost: float = 1.0


@dataclass(frozen=True)
class JobsProgress:
    """How far all jobs together are.

    Attributes:
        done: the share of the work done, in [0, 1].
        jobs_done: how many jobs have ended.
        jobs: how many there are.
        running: the jobs at work, with the share of each that is done.
        seconds_left: an estimate, or None before there is ground for one.
    """

    done: float
    jobs_done: int
    jobs: int
    running: dict[str, float]
    seconds_left: float | None


def run_jobs(jobs: Sequence[Job], workers: int, progress: Callable[[JobsProgress], None]) -> dict[str, str]:
    """Run jobs, each after those it needs; return why jobs failed, by name, without those that only needed them.

    With one worker they run here, one after another; with more, each worker is a process with one thread.

    Args:
        jobs: no job stands before one that it needs.
        workers: how many run at once.
        progress: called whenever there is news.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once the running jobs have saved what they have; its text says how to go on.
    """
    board = _Board(jobs, progress)
    try:
        if workers > 1:
            _run_in_processes(board, workers)
        else:
            for job in jobs:
                if board.start(job):
                    board.end(job, _attempt(job, lambda share, name=job.name: board.tell(name, share)))
    except KeyboardInterrupt:
        done = f"{len(board.ended)} of {len(jobs)} jobs are done"
        raise KeyboardInterrupt(f"{done}, the rest is kept as far as it came; to continue: the same command") from None
    return board.failures


class _Board:
    """What is waiting, running and ended."""

    def __init__(self, jobs: Sequence[Job], progress: Callable[[JobsProgress], None]) -> None:
        self.jobs = jobs
        self.ended: set[str] = set()
        self.lost: set[str] = set()
        self.failures: dict[str, str] = {}
        self.running: dict[str, float] = {}
        self.progress = progress
        self.began = time.monotonic()

    def ready(self) -> list[Job]:
        """Return the jobs that can start now; those whose needs were lost are lost too."""
        found = []
        for job in self.jobs:
            if job.name in self.ended or job.name in self.running:
                continue
            if self.lost.intersection(job.needs):
                self.lost.add(job.name)
                self.ended.add(job.name)
            elif self.ended.issuperset(job.needs):
                found.append(job)
        return found

    def start(self, job: Job) -> bool:
        """Note that a job starts; return False if it cannot, for want of what it needs."""
        if job.name not in [other.name for other in self.ready()]:
            return False
        self.running[job.name] = 0.0
        self.tell(job.name, 0.0)
        return True

    def tell(self, name: str, share: float) -> None:
        if name in self.running:
            self.running[name] = share
        total = sum(job.cost for job in self.jobs)
        shares = dict.fromkeys(self.ended, 1.0) | self.running
        done = sum(job.cost * shares.get(job.name, 0.0) for job in self.jobs) / total if total else 1.0
        spent = time.monotonic() - self.began
        left = spent * (1 - done) / done if done > LEAST_SHARE else None
        self.progress(JobsProgress(done, len(self.ended), len(self.jobs), dict(self.running), left))

    def end(self, job: Job, failure: str | None) -> None:
        del self.running[job.name]
        self.ended.add(job.name)
        if failure is not None:
            self.failures[job.name] = failure
            self.lost.add(job.name)
        self.tell(job.name, 1.0)


def _run_in_processes(board: _Board, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    news = context.Queue()
    with _one_thread(), ProcessPoolExecutor(workers, context, _begin_worker, (news, os.getpid())) as pool:
        crew = _Crew(board, pool, news)
        try:
            while len(board.ended) < len(board.jobs):
                for job in board.ready()[: workers - len(crew.futures)]:
                    board.start(job)
                    crew.futures[pool.submit(_work, job)] = job
                crew.wait()
        except BrokenProcessPool:
            for job in [job for job in board.jobs if job.name not in board.ended]:
                board.running[job.name] = 0.0
                board.end(job, "a process ended abruptly, perhaps for want of memory: try fewer workers")
        except KeyboardInterrupt:
            crew.interrupt()
            raise


class _Crew:
    """The worker processes, and what they are at."""

    def __init__(self, board: _Board, pool: ProcessPoolExecutor, news: Any) -> None:
        self.board = board
        self.pool = pool
        self.news = news
        self.futures: dict[Future, Job] = {}
        self.pids: set[int] = set()

    def wait(self) -> None:
        """Wait a moment for news, pass it on, and note the jobs that ended."""
        ended, _ = wait(self.futures, POLL_SECONDS, FIRST_COMPLETED)
        self.read_news()
        for future in ended:
            self.board.end(self.futures.pop(future), future.result())

    def read_news(self) -> None:
        """Pass on what the workers tell: first of all their process, then the share of a job."""
        while not self.news.empty():
            name, value = self.news.get()
            if name is None:
                self.pids.add(value)
            else:
                self.board.tell(name, value)

    def interrupt(self) -> None:
        """Have every running job save what it has, and wait until all have."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        told: set[int] = set()
        unfinished = set(self.futures)
        while unfinished:
            self.read_news()
            for pid in self.pids - told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            told |= self.pids
            unfinished = {future for future in wait(unfinished, POLL_SECONDS).not_done if not future.cancelled()}


def _attempt(job: Job, tell: Tell) -> str | None:
    """Run a job and return why it failed, or None."""
    try:
        job.call(*job.arguments, tell)
    except PellucidError as error:
        return str(error)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
    return None


class _Worker:
    """What a worker process knows of itself."""

    news: Any = None
    busy = False
    stopping = False


def _begin_worker(news: Any, parent: int) -> None:
    """Set a worker process up: one thread, and Ctrl-C reaches it through the parent alone, once."""
    import torch

    os.setpgrp()
    torch.set_num_threads(1)
    _Worker.news = news
    signal.signal(signal.SIGINT, _on_interrupt)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    news.put((None, os.getpid()))


def _on_interrupt(number: int, frame: Any) -> None:
    _Worker.stopping = True
    if _Worker.busy:
        raise KeyboardInterrupt


def _watch(parent: int) -> None:
    """End this process when its parent is gone, the job at hand saving what it has, so that nothing goes on unseen."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)
    while _Worker.busy:
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _work(job: Job) -> str | None:
    told = [0.0]

    def tell(share: float) -> None:
        if time.monotonic() - told[0] > POLL_SECONDS:
            told[0] = time.monotonic()
            _Worker.news.put((job.name, share))

    try:
        _Worker.busy = True
        return "interrupted" if _Worker.stopping else _attempt(job, tell)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        _Worker.busy = False


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Have the libraries of the processes that start meanwhile use one thread each."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
