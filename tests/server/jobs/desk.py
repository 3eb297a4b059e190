"""Jobs on a stand-in for the pool: sent, waited for, and looked after on the disk."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pellucid.server.jobs.database import Options
from pellucid.server.jobs.files import Spool, find
from pellucid.server.jobs.queue import Jobs, Upload

PHOTO = Options("photo", 0.5, 0.1)


@asynccontextmanager
async def opened(settings, bench, clock=None):
    spool = Spool(settings.spool)
    with spool.held():
        jobs = Jobs(settings, spool, bench, **({"clock": clock} if clock else {}))
        await jobs.start()
        try:
            yield jobs
        except BaseException:
            bench.go.set()
            raise
        finally:
            await jobs.stop()


async def sent(jobs, *contents, options=PHOTO, reference=None, refused=()):
    """Have a job accepted; those of the numbers in `refused` have failed before they are begun."""
    with Spool(jobs._spool.folder).scratch() as folder:
        uploads = []
        for number, content in enumerate(contents):
            (folder / str(number)).write_bytes(content)
            error = "no image" if number in refused else None
            uploads.append(Upload(f"{number}.png", folder / str(number), error=error))
        if reference:
            (folder / "reference").write_bytes(reference)
            uploads[0] = replace(uploads[0], reference=folder / "reference")
        return (await jobs.accept(options, uploads)).id


async def ended(jobs, id):
    async for job in jobs.reports(id):
        if job and job.finished:
            return job
    return pytest.fail("the job was removed or left")


async def used(jobs):
    await jobs.count()
    return jobs.used


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came to be")


def files(settings):
    return sorted(
        str(path.relative_to(settings.spool))
        for name in ("incoming", "uploads", "results")
        for path in (settings.spool / name).rglob("*")
        if path.is_file()
    )


def content_of(settings, job, number, kind):
    path = find(Spool(settings.spool).item(job.id, number), kind)
    return path and path.read_bytes()
