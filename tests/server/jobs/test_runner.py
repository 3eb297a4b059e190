import asyncio
import sqlite3

import pytest

from pellucid.server.jobs.database import JobStore
from pellucid.server.jobs.files import JobFiles
from pellucid.server.jobs.queue import Jobs
from pellucid.server.settings import Settings

from .fake_service import files, open_jobs, submit, wait_finished, wait_until


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


def test_an_image_that_fails_is_named_and_the_others_are_done(new_fake_pool, settings, caplog):
    async def scenario():
        async with open_jobs(settings, new_fake_pool()) as jobs:
            return await wait_finished(jobs, await submit(jobs, b"damaged", b"deadly", b"odd", b"good"))

    job = asyncio.run(scenario())
    assert [item.state for item in job.items] == ["failed", "failed", "failed", "done"] and job.status == "done"
    errors = [item.error for item in job.items]
    assert errors[:2] == ["scan.png is damaged: get it again", "the work on scan.png ended unexpectedly"]
    assert "ask whoever runs it" in errors[2] and "ZeroDivisionError" in caplog.text
    assert {path.split("/")[2] for path in files(settings) if path.startswith("results")} == {"4"}


def test_no_more_items_run_at_a_time_than_there_are_workers(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.size = 2
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, *[b"one"] * 5)
            await wait_until(lambda: len(fake_pool.requests) == 2)
            fake_pool.go.set()
            await wait_finished(jobs, id)
        return fake_pool.max_running

    assert asyncio.run(scenario()) == 2


def test_when_the_service_stops_running_items_finish_and_queued_items_are_kept(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one", b"two")
            await wait_until(lambda: fake_pool.requests)
            events = asyncio.create_task(last_status(jobs, id))
            jobs.close()
            left = await events
            fake_pool.go.set()
        async with open_jobs(settings, new_fake_pool()) as jobs:
            job = await wait_finished(jobs, id)
        return len(fake_pool.requests), left, job

    async def last_status(jobs, id):
        return [job.status async for job in jobs.events(id) if job][-1]

    num_requests, left, job = asyncio.run(scenario())
    assert (num_requests, left) == (1, "running")
    assert [(item.state, item.attempts) for item in job.items] == [("done", 1), ("done", 1)]


def test_an_item_that_a_stop_ended_is_queued_for_the_next_start_without_a_lost_attempt(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one")
            await wait_until(lambda: fake_pool.requests)
            jobs.close()
            fake_pool.is_stopped = True
            fake_pool.go.set()
        async with open_jobs(settings, new_fake_pool()) as jobs:
            return await wait_finished(jobs, id)

    job = asyncio.run(scenario())
    assert (job.status, job.items[0].attempts) == ("done", 1)


def test_a_full_queue_is_waited_for(new_fake_pool, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.runner.QUEUE_RETRY_SECONDS", 0.01)

    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.is_full = True
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one")
            await asyncio.sleep(0.05)
            fake_pool.is_full = False
            return await wait_finished(jobs, id)

    assert asyncio.run(scenario()).status == "done"


def test_an_image_that_kills_the_service_twice_fails(new_fake_pool, settings):
    async def killed():
        # As after kill -9: the claim is in the file, and nothing else is done about it.
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        jobs = Jobs(settings, JobFiles(settings.spool), fake_pool)
        await jobs.start()
        id = ids[0] if ids else await submit(jobs, b"one")
        await wait_until(lambda: fake_pool.requests)
        for task in (*jobs._tasks, *jobs._runner._tasks):
            task.cancel()
        return id

    ids = []
    for _ in range(2):
        ids.append(asyncio.run(killed()))

    async def scenario():
        fake_pool = new_fake_pool()
        async with open_jobs(settings, fake_pool) as jobs:
            return await wait_finished(jobs, ids[0]), fake_pool.requests

    job, requests = asyncio.run(scenario())
    error = "the service was stopped 2 times while working on it: try a smaller image"
    assert (job.status, job.items[0].error, requests) == ("failed", error, [])


def test_a_full_disk_is_waited_for(new_fake_pool, settings, monkeypatch, caplog):
    monkeypatch.setattr("pellucid.server.jobs.async_store.RETRY_SECONDS", 0.01)
    end, fails = JobStore.end, [sqlite3.OperationalError("database or disk is full")] * 3

    def full(*arguments):
        if fails:
            raise fails.pop()
        return end(*arguments)

    monkeypatch.setattr(JobStore, "end", full)

    async def scenario():
        async with open_jobs(settings, new_fake_pool()) as jobs:
            return await wait_finished(jobs, await submit(jobs, b"one"))

    assert asyncio.run(scenario()).status == "done" and "disk is full" in caplog.text


def test_a_cancelled_image_does_not_wait_for_a_full_queue(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.is_full = True
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one")
            async for job in jobs.events(id):
                if job and job.status == "running":
                    await jobs.cancel(id)
            return await jobs.job(id)

    job = asyncio.run(scenario())
    assert job and job.status == "cancelled"
