"""Jobs on a fake pool: submitted, waited for, and their files."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pellucid.server.jobs.database import JobOptions
from pellucid.server.jobs.files import JobFiles, find
from pellucid.server.jobs.queue import Jobs, NewItem

PHOTO = JobOptions("photo", 0.5, 0.1)


@asynccontextmanager
async def open_jobs(settings, fake_pool, clock=None):
    job_files = JobFiles(settings.spool)
    with job_files.locked():
        jobs = Jobs(settings, job_files, fake_pool, **({"clock": clock} if clock else {}))
        await jobs.start()
        try:
            yield jobs
        except BaseException:
            fake_pool.go.set()
            raise
        finally:
            await jobs.stop()


async def submit(jobs, *contents, options=PHOTO, reference=None, refused=()):
    """Submit a job; the images with the indices in `refused` have failed before they are started."""
    with JobFiles(jobs._files.folder).temporary_folder() as folder:
        items = []
        for number, content in enumerate(contents):
            (folder / str(number)).write_bytes(content)
            error = "no image" if number in refused else None
            items.append(NewItem(f"{number}.png", folder / str(number), error=error))
        if reference:
            (folder / "reference").write_bytes(reference)
            items[0] = replace(items[0], reference=folder / "reference")
        return (await jobs.accept(options, items)).id


async def wait_finished(jobs, id):
    async for job in jobs.events(id):
        if job and job.finished:
            return job
    return pytest.fail("the job was removed, or the service stopped")


async def used_bytes(jobs):
    await jobs.update_counts()
    return jobs.used


async def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("the condition did not become true")


def files(settings):
    return sorted(
        str(path.relative_to(settings.spool))
        for name in ("incoming", "uploads", "results")
        for path in (settings.spool / name).rglob("*")
        if path.is_file()
    )


def content_of(settings, job, number, kind):
    path = find(JobFiles(settings.spool).item(job.id, number), kind)
    return path and path.read_bytes()
