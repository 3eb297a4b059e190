"""The queue before the workers, and the outcomes of requests; the workers are scripts of fake_worker.py."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pellucid.errors import PellucidError
from pellucid.server.settings import Settings
from pellucid.server.workers import process
from pellucid.server.workers.pool import Pool
from pellucid.server.workers.tasks import Cancelled, QueueFull, WorkFailed, WorkRefused, WorkRequest

SCRIPT = Path(__file__).with_name("fake_worker.py")


@pytest.fixture(autouse=True)
def _scripted(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, str(SCRIPT)))


def make_request(name: str) -> WorkRequest:
    return WorkRequest("denoise", Path("source"), Path("target"), "photo", name=name)


@asynccontextmanager
async def running(on_finished=None, **limits):
    pool = Pool(Settings(**limits), on_finished)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_request_is_processed():
    async def main():
        noted = []

        def on_finished(request, outcome, metadata):
            noted.append((request.name, outcome, metadata.get("width")))

        async with running(on_finished) as pool:
            result = await pool.run(make_request("a"))
            assert result.metadata["width"] == 3 and pool.num_alive == 1 and pool.waiting == pool.working == 0
            with pytest.raises(WorkRefused, match="too large") as refused:
                await pool.run(make_request("refused"))
            with pytest.raises(WorkFailed, match="the work failed"):
                await pool.run(make_request("fails"))
            assert refused.value.status == 413 and pool.num_replaced == 0
        assert noted == [("a", "done", 3), ("refused", "refused", None), ("fails", "failed", None)]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["dies", "garbles"])
def test_a_worker_that_dies_is_replaced_and_others_go_on(name):
    async def main():
        async with running() as pool:
            before = (await pool.run(make_request("a"))).metadata["pid"]
            bad, good = (
                asyncio.create_task(pool.run(make_request(name))),
                asyncio.create_task(pool.run(make_request("b"))),
            )
            with pytest.raises(WorkFailed, match=f"the work on {name} ended unexpectedly"):
                await bad
            assert (await good).metadata["pid"] != before and pool.num_replaced == 1

    asyncio.run(main())


def test_a_worker_that_dies_between_requests_is_replaced():
    async def main():
        async with running() as pool:
            pid = (await pool.run(make_request("a"))).metadata["pid"]
            os.kill(pid, signal.SIGKILL)
            await until(lambda: pool.num_replaced == 1 and pool.num_alive == 1)
            assert (await pool.run(make_request("b"))).metadata["pid"] != pid

    asyncio.run(main())


def test_a_request_that_takes_too_long_fails_and_its_worker_is_replaced():
    async def main():
        async with running(time_limit=0.3) as pool:
            with pytest.raises(WorkFailed, match=r"hangs took longer than 0\.3 s") as late:
                await pool.run(make_request("hangs"))
            assert late.value.status == 504
            assert (await pool.run(make_request("a"))).metadata["width"] == 3 and pool.num_replaced == 1

    asyncio.run(main())


def test_a_cancelled_request_stops_and_its_worker_stays():
    async def main():
        async with running() as pool:
            cancelled, fractions = asyncio.Event(), []

            def report(fraction):
                fractions.append(fraction)
                cancelled.set()

            with pytest.raises(Cancelled):
                await pool.run(make_request("cancellable"), progress=report, cancelled=cancelled)
            assert fractions == [0.5] and (await pool.run(make_request("a"))).metadata and pool.num_replaced == 0

    asyncio.run(main())


def test_a_worker_that_does_not_stop_when_cancelled_is_killed(monkeypatch):
    monkeypatch.setattr(process, "CANCEL_LIMIT", 0.1)

    async def main():
        async with running() as pool:
            cancelled = asyncio.Event()
            work = asyncio.create_task(pool.run(make_request("hangs"), cancelled=cancelled))
            await until(lambda: pool.working == 1)
            cancelled.set()
            with pytest.raises(Cancelled):
                await work
            assert (await pool.run(make_request("a"))).metadata and pool.num_replaced == 1

    asyncio.run(main())


def test_cancelling_the_caller_cancels_the_request():
    async def main():
        async with running() as pool:
            work = asyncio.create_task(pool.run(make_request("cancellable")))
            await until(lambda: pool.working == 1)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert (await pool.run(make_request("a"))).metadata and pool.num_replaced == 0

    asyncio.run(main())


def test_a_queued_request_is_cancelled_before_it_starts():
    async def main():
        async with running() as pool:
            first, event, gone = (
                asyncio.create_task(pool.run(make_request("cancellable"))),
                asyncio.Event(),
                asyncio.Event(),
            )
            await until(lambda: pool.working == 1)
            waiting = [asyncio.create_task(pool.run(make_request("a"), cancelled=gone)) for gone in (event, gone)]
            await until(lambda: pool.waiting == 2)
            event.set()
            with pytest.raises(Cancelled, match="before it was started"):
                await waiting[0]
            assert pool.waiting == 1
            first.cancel()
            assert (await waiting[1]).metadata

    asyncio.run(main())


def test_a_full_queue_refuses_and_says_when_to_retry():
    async def main():
        async with running(queue_length=1) as pool:
            assert not pool.is_full
            first = asyncio.create_task(pool.run(make_request("cancellable")))
            await until(lambda: pool.working == 1)
            with pytest.raises(QueueFull):
                await pool.run(make_request("unqueued"), may_queue=False)
            second = asyncio.create_task(pool.run(make_request("a")))
            await until(lambda: pool.waiting == 1)
            assert pool.is_full
            with pytest.raises(QueueFull) as full:
                await pool.run(make_request("b"))
            assert full.value.retry_after >= 1
            first.cancel()
            assert (await second).metadata
            assert (await pool.run(make_request("c"), may_queue=False)).metadata

    asyncio.run(main())


def test_several_workers_work_at_the_same_time():
    async def main():
        async with running(workers=2) as pool:
            await until(lambda: pool.num_alive == 2)
            both = [asyncio.create_task(pool.run(make_request("cancellable"))) for _ in range(2)]
            await until(lambda: pool.working == 2)
            for work in both:
                work.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    asyncio.run(main())


def test_stopping_lets_running_requests_finish_and_refuses_the_others():
    async def main():
        pool = Pool(Settings())
        await pool.start()
        cancelled = asyncio.Event()
        runs = asyncio.create_task(pool.run(make_request("cancellable"), cancelled=cancelled))
        await until(lambda: pool.working == 1)
        waits = asyncio.create_task(pool.run(make_request("a")))
        await until(lambda: pool.waiting == 1)
        stop = asyncio.create_task(pool.stop())
        with pytest.raises(QueueFull):
            await waits
        with pytest.raises(QueueFull):
            await pool.run(make_request("late"))
        assert not runs.done() and not stop.done()
        cancelled.set()
        with pytest.raises(Cancelled):
            await runs
        await stop
        assert pool.num_alive == 0

    asyncio.run(main())


def test_a_request_that_runs_longer_than_the_stop_timeout_fails():
    async def main():
        pool = Pool(Settings(stop_timeout=0.1))
        await pool.start()
        runs = asyncio.create_task(pool.run(make_request("hangs")))
        await until(lambda: pool.working == 1)
        await pool.stop()
        with pytest.raises(WorkFailed, match="was stopped") as failed:
            await runs
        assert failed.value.status == 503

    asyncio.run(main())


def test_a_worker_that_cannot_start_says_why():
    with pytest.raises(PellucidError, match="the engine is broken"):
        asyncio.run(Pool(Settings(engine="broken")).start())
