import asyncio
from dataclasses import replace

import pytest

from pellucid.server.jobs.disk_quota import NoRoom
from pellucid.server.settings import Settings

from .desk import ended, files, opened, sent, used


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


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
    monkeypatch.setattr("pellucid.server.jobs.queue.EXPIRY_PAUSE", 0.01)
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


def test_what_many_announce_sweeps_nothing_away(new_bench, settings):
    async def act():
        async with opened(replace(settings, disk_budget=4000), new_bench()) as jobs:
            id = (await ended(jobs, await sent(jobs, b"x" * 300))).id
            with jobs.room.expecting(900):
                await jobs.room.make()
                with jobs.room.expecting(3000), pytest.raises(NoRoom, match="sent to the service at once"):
                    await jobs.room.make()
                with jobs.room.expecting(50):
                    await jobs.room.make()
            with jobs.room.expecting(4001), pytest.raises(NoRoom, match="disk budget"):
                await jobs.room.make()
            assert await jobs.job(id)
            with jobs.room.expecting(3900):
                await jobs.room.make()
            assert await jobs.job(id) is None

    asyncio.run(act())
