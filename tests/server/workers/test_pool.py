"""The line before the workers, and how orders end; workers are stood in for by a script that does as it is told."""

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
from pellucid.server.workers.tasks import Busy, Cancelled, Failed, Order, Refused

SCRIPT = Path(__file__).with_name("fake_worker.py")


@pytest.fixture(autouse=True)
def _scripted(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, str(SCRIPT)))


def order(name: str) -> Order:
    return Order("denoise", Path("source"), Path("target"), "photo", name=name)


@asynccontextmanager
async def running(note=None, **limits):
    pool = Pool(Settings(**limits), note)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def test_an_order_is_done():
    async def main():
        noted = []
        async with running(lambda order, ending, facts: noted.append((order.name, ending, facts.get("width")))) as pool:
            outcome = await pool.run(order("a"))
            assert outcome.facts["width"] == 3 and pool.up == 1 and pool.waiting == pool.working == 0
            with pytest.raises(Refused, match="too large") as refused:
                await pool.run(order("refused"))
            with pytest.raises(Failed, match="the work failed"):
                await pool.run(order("fails"))
            assert refused.value.status == 413 and pool.replaced == 0
        assert noted == [("a", "done", 3), ("refused", "refused", None), ("fails", "failed", None)]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["dies", "babbles"])
def test_a_worker_that_dies_is_replaced_and_others_go_on(name):
    async def main():
        async with running() as pool:
            before = (await pool.run(order("a"))).facts["pid"]
            bad, good = asyncio.create_task(pool.run(order(name))), asyncio.create_task(pool.run(order("b")))
            with pytest.raises(Failed, match=f"the work on {name} ended unexpectedly"):
                await bad
            assert (await good).facts["pid"] != before and pool.replaced == 1

    asyncio.run(main())


def test_a_worker_that_dies_between_orders_is_replaced():
    async def main():
        async with running() as pool:
            pid = (await pool.run(order("a"))).facts["pid"]
            os.kill(pid, signal.SIGKILL)
            await until(lambda: pool.replaced == 1 and pool.up == 1)
            assert (await pool.run(order("b"))).facts["pid"] != pid

    asyncio.run(main())


def test_what_takes_too_long_fails_and_its_worker_is_replaced():
    async def main():
        async with running(time_limit=0.3) as pool:
            with pytest.raises(Failed, match=r"hangs took longer than 0\.3 s") as late:
                await pool.run(order("hangs"))
            assert late.value.status == 504
            assert (await pool.run(order("a"))).facts["width"] == 3 and pool.replaced == 1

    asyncio.run(main())


def test_a_cancelled_order_stops_and_its_worker_stays():
    async def main():
        async with running() as pool:
            cancelled, shares = asyncio.Event(), []

            def tell(share):
                shares.append(share)
                cancelled.set()

            with pytest.raises(Cancelled):
                await pool.run(order("heeds"), progress=tell, cancelled=cancelled)
            assert shares == [0.5] and (await pool.run(order("a"))).facts and pool.replaced == 0

    asyncio.run(main())


def test_a_worker_that_does_not_heed_is_ended(monkeypatch):
    monkeypatch.setattr(process, "CANCEL_LIMIT", 0.1)

    async def main():
        async with running() as pool:
            cancelled = asyncio.Event()
            work = asyncio.create_task(pool.run(order("hangs"), cancelled=cancelled))
            await until(lambda: pool.working == 1)
            cancelled.set()
            with pytest.raises(Cancelled):
                await work
            assert (await pool.run(order("a"))).facts and pool.replaced == 1

    asyncio.run(main())


def test_cancelling_the_caller_cancels_the_order():
    async def main():
        async with running() as pool:
            work = asyncio.create_task(pool.run(order("heeds")))
            await until(lambda: pool.working == 1)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert (await pool.run(order("a"))).facts and pool.replaced == 0

    asyncio.run(main())


def test_what_waits_is_cancelled_before_its_turn():
    async def main():
        async with running() as pool:
            first, event, gone = asyncio.create_task(pool.run(order("heeds"))), asyncio.Event(), asyncio.Event()
            await until(lambda: pool.working == 1)
            waiting = [asyncio.create_task(pool.run(order("a"), cancelled=gone)) for gone in (event, gone)]
            await until(lambda: pool.waiting == 2)
            event.set()
            with pytest.raises(Cancelled, match="before its turn"):
                await waiting[0]
            assert pool.waiting == 1
            first.cancel()
            assert (await waiting[1]).facts

    asyncio.run(main())


def test_a_full_line_turns_away_and_says_when_to_come_back():
    async def main():
        async with running(queue_length=1) as pool:
            assert not pool.is_full
            first = asyncio.create_task(pool.run(order("heeds")))
            await until(lambda: pool.working == 1)
            with pytest.raises(Busy):
                await pool.run(order("impatient"), waits=False)
            second = asyncio.create_task(pool.run(order("a")))
            await until(lambda: pool.waiting == 1)
            assert pool.is_full
            with pytest.raises(Busy) as busy:
                await pool.run(order("b"))
            assert busy.value.retry_after >= 1
            first.cancel()
            assert (await second).facts
            assert (await pool.run(order("c"), waits=False)).facts

    asyncio.run(main())


def test_several_workers_work_at_the_same_time():
    async def main():
        async with running(workers=2) as pool:
            await until(lambda: pool.up == 2)
            both = [asyncio.create_task(pool.run(order("heeds"))) for _ in range(2)]
            await until(lambda: pool.working == 2)
            for work in both:
                work.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    asyncio.run(main())


def test_stopping_lets_what_runs_finish_and_turns_the_rest_away():
    async def main():
        pool = Pool(Settings())
        await pool.start()
        cancelled = asyncio.Event()
        runs = asyncio.create_task(pool.run(order("heeds"), cancelled=cancelled))
        await until(lambda: pool.working == 1)
        waits = asyncio.create_task(pool.run(order("a")))
        await until(lambda: pool.waiting == 1)
        stop = asyncio.create_task(pool.stop())
        with pytest.raises(Busy):
            await waits
        with pytest.raises(Busy):
            await pool.run(order("late"))
        assert not runs.done() and not stop.done()
        cancelled.set()
        with pytest.raises(Cancelled):
            await runs
        await stop
        assert pool.up == 0

    asyncio.run(main())


def test_what_runs_too_long_while_stopping_is_cut_short():
    async def main():
        pool = Pool(Settings(stop_timeout=0.1))
        await pool.start()
        runs = asyncio.create_task(pool.run(order("hangs")))
        await until(lambda: pool.working == 1)
        await pool.stop()
        with pytest.raises(Failed, match="was stopped") as failed:
            await runs
        assert failed.value.status == 503

    asyncio.run(main())


def test_a_worker_that_cannot_start_says_why():
    with pytest.raises(PellucidError, match="the engine is broken"):
        asyncio.run(Pool(Settings(engine="broken")).start())
