import asyncio
import sqlite3
from dataclasses import replace

import pytest

from pellucid.server.jobs.database import JobOptions, JobStore
from pellucid.server.jobs.disk_quota import QuotaExceeded
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import QueueFull

from .fake_service import PHOTO, content_of, files, open_jobs, submit, wait_finished, wait_until


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


def test_a_job_is_done_with_the_options_that_it_came_with(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        async with open_jobs(settings, fake_pool) as jobs:
            job = await wait_finished(
                jobs, await submit(jobs, b"one", b"two", options=JobOptions("photo", 0.5, 0.1, "digits"))
            )
        return job, fake_pool.requests

    job, (first, _) = asyncio.run(scenario())
    assert job.status == "done" and [item.state for item in job.items] == ["done", "done"]
    assert content_of(settings, job, 1, "result") == b"clean one"
    assert content_of(settings, job, 2, "before") == b"two" and content_of(settings, job, 2, "after") is None
    assert job.items[0].metadata["previews"] == ["before"] and job.items[0].metadata["width"] == 3
    assert (first.kind, first.model, first.strength, first.sigma, first.classifier) == (
        *("denoise", "photo", 0.5, 0.1),
        "digits",
    )
    assert first.name == "0.png" and first.reference is None


def test_a_reference_is_passed_to_the_worker(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        async with open_jobs(settings, fake_pool) as jobs:
            await wait_finished(jobs, await submit(jobs, b"one", reference=b"original"))
            (request,) = fake_pool.requests
            return request.reference and request.reference.read_bytes()

    assert asyncio.run(scenario()) == b"original"


def test_events_report_progress(new_fake_pool, settings):
    async def scenario():
        fake_pool, fractions = new_fake_pool(), []
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one")
            async for job in jobs.events(id):
                assert job
                fractions.append((job.status, jobs.progress_of(job.items[0])))
                if fractions[-1] == ("running", 0.0):
                    await wait_until(lambda: fake_pool.progress_callbacks)
                    fake_pool.progress_callbacks[0](0.25)
                elif fractions[-1] == ("running", 0.25):
                    fake_pool.go.set()
        return fractions

    fractions = [entry for entry in asyncio.run(scenario()) if entry[0] != "queued"]
    assert list(dict.fromkeys(fractions)) == [("running", 0.0), ("running", 0.25), ("done", 1.0)]


def test_an_event_is_sent_when_nothing_changes_for_a_while(new_fake_pool, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.queue.KEEPALIVE_SECONDS", 0.01)

    async def scenario():
        fake_pool, events = new_fake_pool(), []
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            async for job in jobs.events(await submit(jobs, b"one")):
                events.append(job)
                if job is None:
                    fake_pool.go.set()
        return events

    events = asyncio.run(scenario())
    assert None in events and events[-1] and events[-1].status == "done"


def test_events_of_a_removed_or_unknown_job_end(new_fake_pool, settings):
    async def scenario():
        async with open_jobs(settings, new_fake_pool()) as jobs:
            id = await submit(jobs, b"one")
            await wait_finished(jobs, id)
            assert await jobs.remove(id) and not await jobs.remove(id)
            return await jobs.job(id), [job async for job in jobs.events(id)]

    assert asyncio.run(scenario()) == (None, []) and files(settings) == []


def test_cancelling_stops_running_and_queued_items(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            id = await submit(jobs, b"one", b"two")
            await wait_until(lambda: fake_pool.requests)
            assert not await jobs.remove(id)
            await jobs.cancel(id)
            job = await wait_finished(jobs, id)
            fake_pool.go.set()
            return job, (await wait_finished(jobs, await submit(jobs, b"three"))).status, len(fake_pool.requests)

    job, next_status, num_requests = asyncio.run(scenario())
    assert (job.status, [item.state for item in job.items]) == ("cancelled", ["cancelled", "cancelled"])
    assert (next_status, num_requests) == ("done", 2)


def test_a_job_runs_again_with_other_options_on_the_same_uploads(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        async with open_jobs(settings, fake_pool) as jobs:
            first = await wait_finished(jobs, await submit(jobs, b"one"))
            second = await repeated(jobs, first, JobOptions("photo-fast", 1.0))
            sources = {request.source for request in fake_pool.requests}
            assert await jobs.remove(first.id) and content_of(settings, second, 1, "result") == b"clean one"
            assert (await repeated(jobs, second, PHOTO)).status == "done" and await jobs.rerun(first.id, PHOTO) is None
            assert await jobs.rerun("f" * 32, PHOTO) is None
            return sources, [request.model for request in fake_pool.requests], first, second

    async def repeated(jobs, job, options):
        added = await jobs.rerun(job.id, options)
        return await wait_finished(jobs, added.id)

    sources, models, first, second = asyncio.run(scenario())
    assert len(sources) == 1 and models == ["photo", "photo-fast", "photo"]
    assert first.id != second.id and second.items[0].name == "0.png"


def test_a_refused_image_is_never_run(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        async with open_jobs(replace(settings, max_waiting=1), fake_pool) as jobs:
            first = await wait_finished(jobs, await submit(jobs, b"one", b"two", b"three", refused=(0, 2)))
            repeat = await jobs.rerun(first.id, PHOTO)
            assert repeat
            second = await wait_finished(jobs, repeat.id)
            return (
                first,
                second,
                [request.source.read_bytes() for request in fake_pool.requests],
                jobs.progress_of(first.items[0]),
            )

    *both, contents, fraction = asyncio.run(scenario())
    for job in both:
        assert job.status == "done" and [item.state for item in job.items] == ["failed", "done", "failed"]
        assert [item.error for item in job.items] == ["no image", None, "no image"]
    assert contents == [b"two", b"two"] and fraction == 1


def test_more_images_than_may_wait_are_refused_and_leave_nothing(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(replace(settings, max_waiting=2), fake_pool) as jobs:
            id = await submit(jobs, b"one", b"two")
            with pytest.raises(QueueFull) as caught:
                await submit(jobs, b"three", b"four")
            with pytest.raises(QueueFull):
                await jobs.rerun(id, PHOTO)
            before = files(settings)
            fake_pool.go.set()
            await wait_finished(jobs, id)
        return caught.value.retry_after, before

    retry_after, left = asyncio.run(scenario())
    assert retry_after == 7 and len([path for path in left if path.startswith("uploads")]) == 2


def test_a_job_that_cannot_be_stored_is_not_accepted(new_fake_pool, settings, monkeypatch):
    def full(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(JobStore, "add", full)

    async def scenario():
        async with open_jobs(settings, new_fake_pool()) as jobs:
            with pytest.raises(QuotaExceeded, match=r"disk is full.*free some space"):
                await submit(jobs, b"one")

    asyncio.run(scenario())
    assert files(settings) == []


def test_counts(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(settings, fake_pool) as jobs:
            await submit(jobs, b"one", b"two", b"three")
            await wait_until(lambda: fake_pool.requests)
            await jobs.update_counts()
            return jobs.is_running, jobs.waiting, jobs.used, fake_pool.go.set()

    assert asyncio.run(scenario())[:3] == (True, 2, len(b"one" + b"two" + b"three"))
