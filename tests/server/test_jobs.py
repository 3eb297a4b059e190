import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pellucid.server.jobs import Jobs, Upload
from pellucid.server.orders import Busy
from pellucid.server.room import NoRoom
from pellucid.server.settings import Settings
from pellucid.server.spool import Spool, find
from pellucid.server.store import GAVE_UP, Options

PHOTO = Options("photo", 0.5, 0.1)


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


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


async def sent(jobs, *contents, options=PHOTO, reference=None):
    with Spool(jobs._spool.folder).scratch() as folder:
        uploads = []
        for number, content in enumerate(contents):
            (folder / str(number)).write_bytes(content)
            uploads.append(Upload(f"{number}.png", folder / str(number)))
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
    monkeypatch.setattr("pellucid.server.jobs.SILENCE", 0.01)

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
    monkeypatch.setattr("pellucid.server.running.LINE_PAUSE", 0.01)

    async def act():
        bench = new_bench()
        bench.is_full = True
        async with opened(settings, bench) as jobs:
            id = await sent(jobs, b"one")
            await asyncio.sleep(0.05)
            bench.is_full = False
            return await ended(jobs, id)

    assert asyncio.run(act()).status == "done"


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


def test_the_oldest_finished_job_makes_room_for_the_next(new_bench, settings):
    async def act():
        async with opened(replace(settings, disk_budget=2500), new_bench()) as jobs:
            first, second = [(await ended(jobs, await sent(jobs, b"x" * 300))).id for _ in range(2)]
            assert await jobs.job(first) and await used(jobs) > 1200
            with jobs.room.expecting(900):
                await jobs.room.make()
            assert await jobs.job(first) is None and await jobs.job(second)
            with jobs.room.pinned(second), jobs.room.expecting(1900), pytest.raises(NoRoom, match="disk budget"):
                await jobs.room.make()
            assert await jobs.job(second)

    asyncio.run(act())


def test_there_is_no_room_where_nothing_is_finished(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(replace(settings, disk_budget=1000), bench) as jobs:
            id = await sent(jobs, b"x" * 600)
            with jobs.room.expecting(500), pytest.raises(NoRoom):
                await sent(jobs, b"y" * 500)
            before = files(settings)
            bench.go.set()
            assert (await ended(jobs, id)).status == "done"
        return before

    assert len(asyncio.run(act())) == 1


def test_an_accepted_image_heeds_the_budget_but_not_what_others_are_sending(new_bench, settings):
    async def act():
        bench = new_bench()
        bench.go.clear()
        async with opened(replace(settings, disk_budget=1200), bench) as jobs:
            one = await sent(jobs, b"x" * 100)
            two = await sent(jobs, b"y" * 300, b"z" * 300)
            with jobs.room.expecting(1100), jobs.room.pinned(one):
                bench.go.set()
                return await ended(jobs, one), await ended(jobs, two)

    one, two = asyncio.run(act())
    assert one.status == "done" and [item.state for item in two.items] == ["done", "failed"]
    assert "disk budget" in two.items[1].error


def test_what_was_finished_long_ago_expires(new_bench, settings):
    now = [1000.0]

    async def act():
        async with opened(replace(settings, job_expiry=50), new_bench(), clock=lambda: now[0]) as jobs:
            old = await ended(jobs, await sent(jobs, b"one"))
            now[0] += 40
            new = await ended(jobs, await sent(jobs, b"two"))
            await jobs.room.expire()
            assert await jobs.job(old.id)
            now[0] += 11
            with jobs.room.pinned(old.id):
                await jobs.room.expire()
            assert await jobs.job(old.id)
            await jobs.room.expire()
            return await jobs.job(old.id), await jobs.job(new.id) == new

    assert asyncio.run(act()) == (None, True)


def test_what_expires_is_looked_for_by_itself(new_bench, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.EXPIRY_PAUSE", 0.01)
    now = [1000.0]

    async def act():
        async with opened(settings, new_bench(), clock=lambda: now[0]) as jobs:
            id = (await ended(jobs, await sent(jobs, b"one"))).id
            now[0] += 86_401
            async for _ in jobs.reports(id):
                pass
            while await jobs.job(id):
                await asyncio.sleep(0.01)

    asyncio.run(act())
    assert files(settings) == []


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
    assert (job.status, job.items[0].error, orders) == ("failed", GAVE_UP, [])


def test_a_full_disk_is_waited_for(new_bench, settings, monkeypatch, caplog):
    import sqlite3

    from pellucid.server.store import Store

    monkeypatch.setattr("pellucid.server.ledger.PAUSE", 0.01)
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


def test_a_job_that_cannot_be_written_down_is_not_accepted(new_bench, settings, monkeypatch):
    import sqlite3

    from pellucid.server.store import Store

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
