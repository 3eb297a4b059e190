import asyncio
import sqlite3

import pytest

from pellucid.server.jobs.database import Store
from pellucid.server.jobs.files import Spool
from pellucid.server.jobs.queue import Jobs
from pellucid.server.settings import Settings

from .desk import ended, files, opened, sent, until


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


def test_an_image_that_fails_is_named_and_the_others_are_done(new_bench, settings, caplog):
    async def act():
        async with opened(settings, new_bench()) as jobs:
            return await ended(jobs, await sent(jobs, b"damaged", b"deadly", b"odd", b"good"))

    job = asyncio.run(act())
    assert [item.state for item in job.items] == ["failed", "failed", "failed", "done"] and job.status == "done"
    errors = [item.error for item in job.items]
    assert errors[:2] == ["scan.png is damaged: get it anew", "the work on scan.png ended unexpectedly"]
    assert "tell whoever runs it" in errors[2] and "ZeroDivisionError" in caplog.text
    assert {path.split("/")[2] for path in files(settings) if path.startswith("results")} == {"4"}


def test_no_more_runs_at_a_time_than_there_are_workers(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.size = 2
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, *[b"one"] * 5)
            await until(lambda: len(bench.orders) == 2)
            bench.go.set()
            await ended(jobs, id)
        return bench.most

    assert asyncio.run(act()) == 2


def test_what_runs_is_finished_and_what_waits_is_kept_when_the_service_stops(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one", b"two")
            await until(lambda: bench.orders)
            reports = asyncio.create_task(ended_or_left(jobs, id))
            jobs.close()
            left = await reports
            bench.go.set()
        async with opened(settings, new_bench()) as jobs:
            job = await ended(jobs, id)
        return len(bench.orders), left, job

    async def ended_or_left(jobs, id):
        return [job.status async for job in jobs.reports(id) if job][-1]

    orders, left, job = asyncio.run(act())
    assert (orders, left) == (1, "running")
    assert [(item.state, item.attempts) for item in job.items] == [("done", 1), ("done", 1)]


def test_what_a_stop_cuts_short_waits_for_the_next_start_without_blame(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one")
            await until(lambda: bench.orders)
            jobs.close()
            bench.is_stopped = True
            bench.go.set()
        async with opened(settings, new_bench()) as jobs:
            return await ended(jobs, id)

    job = asyncio.run(act())
    assert (job.status, job.items[0].attempts) == ("done", 1)


def test_a_full_line_is_waited_for(new_bench, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.runner.LINE_PAUSE", 0.01)

    async def act():
        bench = new_bench()
        bench.is_full = True
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one")
            await asyncio.sleep(0.05)
            bench.is_full = False
            return await ended(jobs, id)

    assert asyncio.run(act()).status == "done"


def test_a_damaged_image_that_takes_the_service_down_is_given_up(new_bench, settings):
    async def killed():
        # As after kill -9: the claim is in the file, and nothing else is done about it.
        bench = new_bench()
        bench.go.clear()
        spool = Spool(settings.spool)
        jobs = Jobs(settings, spool, bench)
        await jobs.start()
        id = ids[0] if ids else await sent(jobs, b"one")
        await until(lambda: bench.orders)
        for task in (*jobs._tasks, *jobs._running._tasks):
            task.cancel()
        return id

    ids = []
    for _ in range(2):
        ids.append(asyncio.run(killed()))

    async def act():
        bench = new_bench()
        async with opened(settings, bench) as jobs:
            return await ended(jobs, ids[0]), bench.orders

    job, orders = asyncio.run(act())
    error = "the service was stopped 2 times while working on it: try a smaller image"
    assert (job.status, job.items[0].error, orders) == ("failed", error, [])


def test_a_full_disk_is_waited_for(new_bench, settings, monkeypatch, caplog):
    monkeypatch.setattr("pellucid.server.jobs.async_store.PAUSE", 0.01)
    end, fails = Store.end, [sqlite3.OperationalError("database or disk is full")] * 3

    def full(*arguments):
        if fails:
            raise fails.pop()
        return end(*arguments)

    monkeypatch.setattr(Store, "end", full)

    async def act():
        async with opened(settings, new_bench()) as jobs:
            return await ended(jobs, await sent(jobs, b"one"))

    assert asyncio.run(act()).status == "done" and "disk is full" in caplog.text


def test_a_cancelled_image_does_not_wait_for_a_full_line(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.is_full = True
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one")
            async for job in jobs.reports(id):
                if job and job.status == "running":
                    await jobs.cancel(id)
            return await jobs.job(id)

    job = asyncio.run(act())
    assert job and job.status == "cancelled"
