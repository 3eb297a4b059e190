import asyncio
import sqlite3
from dataclasses import replace

import pytest

from pellucid.server.jobs.database import Options, Store
from pellucid.server.jobs.disk_quota import NoRoom
from pellucid.server.settings import Settings
from pellucid.server.workers.tasks import Busy

from .desk import PHOTO, content_of, ended, files, opened, sent, until


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


def test_a_job_is_done_with_the_options_that_it_came_with(new_bench, settings):
    async def act():
        bench = new_bench()
        async with opened(settings, bench) as jobs:
            job = await ended(jobs, await sent(jobs, b"one", b"two", options=Options("photo", 0.5, 0.1, "digits")))
        return job, bench.orders

    job, (first, _) = asyncio.run(act())
    assert job.status == "done" and [item.state for item in job.items] == ["done", "done"]
    assert content_of(settings, job, 1, "result") == b"clean one"
    assert content_of(settings, job, 2, "before") == b"two" and content_of(settings, job, 2, "after") is None
    assert job.items[0].facts["previews"] == ["before"] and job.items[0].facts["width"] == 3
    assert (first.kind, first.model, first.strength, first.sigma, first.classifier) == (
        *("denoise", "photo", 0.5, 0.1),
        "digits",
    )
    assert first.name == "0.png" and first.reference is None


def test_a_reference_goes_along(new_bench, settings):
    async def act():
        bench = new_bench()
        async with opened(settings, bench) as jobs:
            await ended(jobs, await sent(jobs, b"one", reference=b"original"))
            (order,) = bench.orders
            return order.reference and order.reference.read_bytes()

    assert asyncio.run(act()) == b"original"


def test_those_who_watch_hear_of_progress(new_bench, settings):
    async def act():
        bench, shares = new_bench(), []
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one")
            async for job in jobs.reports(id):
                assert job
                shares.append((job.status, jobs.share(job.items[0])))
                if shares[-1] == ("running", 0.0):
                    await until(lambda: bench.tells)
                    bench.tells[0](0.25)
                elif shares[-1] == ("running", 0.25):
                    bench.go.set()
        return shares

    shares = [share for share in asyncio.run(act()) if share[0] != "queued"]
    assert list(dict.fromkeys(shares)) == [("running", 0.0), ("running", 0.25), ("done", 1.0)]


def test_a_report_says_now_and_then_that_there_is_no_news(new_bench, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.queue.SILENCE", 0.01)

    async def act():
        bench, reports = new_bench(), []
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            async for job in jobs.reports(await sent(jobs, b"one")):
                reports.append(job)
                if job is None:
                    bench.go.set()
        return reports

    reports = asyncio.run(act())
    assert None in reports and reports[-1] and reports[-1].status == "done"


def test_nobody_waits_for_reports_on_what_is_removed_or_unknown(new_bench, settings):
    async def act():
        async with opened(settings, new_bench()) as jobs:
            id = await sent(jobs, b"one")
            await ended(jobs, id)
            assert await jobs.remove(id) and not await jobs.remove(id)
            return await jobs.job(id), [job async for job in jobs.reports(id)]

    assert asyncio.run(act()) == (None, []) and files(settings) == []


def test_cancelling_stops_what_runs_and_what_waits(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one", b"two")
            await until(lambda: bench.orders)
            assert not await jobs.remove(id)
            await jobs.cancel(id)
            job = await ended(jobs, id)
            bench.go.set()
            return job, (await ended(jobs, await sent(jobs, b"three"))).status, len(bench.orders)

    job, next_status, orders = asyncio.run(act())
    assert (job.status, [item.state for item in job.items]) == ("cancelled", ["cancelled", "cancelled"])
    assert (next_status, orders) == ("done", 2)


def test_a_job_runs_again_with_other_options_on_the_same_uploads(new_bench, settings):
    async def act():
        bench = new_bench()
        async with opened(settings, bench) as jobs:
            first = await ended(jobs, await sent(jobs, b"one"))
            second = await repeated(jobs, first, Options("photo-fast", 1.0))
            sources = {order.source for order in bench.orders}
            assert await jobs.remove(first.id) and content_of(settings, second, 1, "result") == b"clean one"
            assert (await repeated(jobs, second, PHOTO)).status == "done" and await jobs.again(first.id, PHOTO) is None
            assert await jobs.again("f" * 32, PHOTO) is None
            return sources, [order.model for order in bench.orders], first, second

    async def repeated(jobs, job, options):
        added = await jobs.again(job.id, options)
        return await ended(jobs, added.id)

    sources, models, first, second = asyncio.run(act())
    assert len(sources) == 1 and models == ["photo", "photo-fast", "photo"]
    assert first.id != second.id and second.items[0].name == "0.png"


def test_what_was_refused_is_not_run_now_or_again(new_bench, settings):
    async def act():
        bench = new_bench()
        async with opened(replace(settings, max_waiting=1), bench) as jobs:
            first = await ended(jobs, await sent(jobs, b"one", b"two", b"three", refused=(0, 2)))
            again = await jobs.again(first.id, PHOTO)
            assert again
            second = await ended(jobs, again.id)
            return first, second, [order.source.read_bytes() for order in bench.orders], jobs.share(first.items[0])

    *both, contents, share = asyncio.run(act())
    for job in both:
        assert job.status == "done" and [item.state for item in job.items] == ["failed", "done", "failed"]
        assert [item.error for item in job.items] == ["no image", None, "no image"]
    assert contents == [b"two", b"two"] and share == 1


def test_more_than_may_wait_is_turned_away_and_leaves_nothing(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(replace(settings, max_waiting=2), bench) as jobs:
            id = await sent(jobs, b"one", b"two")
            with pytest.raises(Busy) as caught:
                await sent(jobs, b"three", b"four")
            with pytest.raises(Busy):
                await jobs.again(id, PHOTO)
            before = files(settings)
            bench.go.set()
            await ended(jobs, id)
        return caught.value.retry_after, before

    retry_after, left = asyncio.run(act())
    assert retry_after == 7 and len([path for path in left if path.startswith("uploads")]) == 2


def test_a_job_that_cannot_be_written_down_is_not_accepted(new_bench, settings, monkeypatch):
    def full(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "add", full)

    async def act():
        async with opened(settings, new_bench()) as jobs:
            with pytest.raises(NoRoom, match=r"disk is full.*free some space"):
                await sent(jobs, b"one")

    asyncio.run(act())
    assert files(settings) == []


def test_counts_are_told(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(settings, bench) as jobs:
            await sent(jobs, b"one", b"two", b"three")
            await until(lambda: bench.orders)
            await jobs.count()
            return jobs.works, jobs.waiting, jobs.used, bench.go.set()

    assert asyncio.run(act())[:3] == (True, 2, len(b"one" + b"two" + b"three"))
