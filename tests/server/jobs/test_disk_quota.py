import asyncio
from dataclasses import replace

import pytest

from pellucid.server.jobs.disk_quota import QuotaExceeded
from pellucid.server.settings import Settings

from .fake_service import files, open_jobs, submit, used_bytes, wait_finished


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


def test_the_oldest_finished_job_is_removed_for_the_next(new_fake_pool, settings):
    async def scenario():
        async with open_jobs(replace(settings, disk_budget=2500), new_fake_pool()) as jobs:
            first, second = [(await wait_finished(jobs, await submit(jobs, b"x" * 300))).id for _ in range(2)]
            assert await jobs.job(first) and await used_bytes(jobs) > 1200
            with jobs.quota.reserve(900):
                await jobs.quota.free_space()
            assert await jobs.job(first) is None and await jobs.job(second)
            with jobs.quota.pinned(second), jobs.quota.reserve(1900), pytest.raises(QuotaExceeded, match="disk budget"):
                await jobs.quota.free_space()
            assert await jobs.job(second)

    asyncio.run(scenario())


def test_unfinished_jobs_are_not_removed_for_space(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(replace(settings, disk_budget=1000), fake_pool) as jobs:
            id = await submit(jobs, b"x" * 600)
            with jobs.quota.reserve(500), pytest.raises(QuotaExceeded):
                await submit(jobs, b"y" * 500)
            before = files(settings)
            fake_pool.go.set()
            assert (await wait_finished(jobs, id)).status == "done"
        return before

    assert len(asyncio.run(scenario())) == 1


def test_an_accepted_image_keeps_to_the_quota_without_reserved_bytes(new_fake_pool, settings):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with open_jobs(replace(settings, disk_budget=1200), fake_pool) as jobs:
            one = await submit(jobs, b"x" * 100)
            two = await submit(jobs, b"y" * 300, b"z" * 300)
            with jobs.quota.reserve(1100), jobs.quota.pinned(one):
                fake_pool.go.set()
                return await wait_finished(jobs, one), await wait_finished(jobs, two)

    one, two = asyncio.run(scenario())
    assert one.status == "done" and [item.state for item in two.items] == ["done", "failed"]
    assert "disk budget" in two.items[1].error


def test_a_job_expires(new_fake_pool, settings):
    now = [1000.0]

    async def scenario():
        async with open_jobs(replace(settings, job_expiry=50), new_fake_pool(), clock=lambda: now[0]) as jobs:
            old = await wait_finished(jobs, await submit(jobs, b"one"))
            now[0] += 40
            new = await wait_finished(jobs, await submit(jobs, b"two"))
            await jobs.quota.expire()
            assert await jobs.job(old.id)
            now[0] += 11
            with jobs.quota.pinned(old.id):
                await jobs.quota.expire()
            assert await jobs.job(old.id)
            await jobs.quota.expire()
            return await jobs.job(old.id), await jobs.job(new.id) == new

    assert asyncio.run(scenario()) == (None, True)


def test_expired_jobs_are_removed_automatically(new_fake_pool, settings, monkeypatch):
    monkeypatch.setattr("pellucid.server.jobs.queue.EXPIRY_INTERVAL", 0.01)
    now = [1000.0]

    async def scenario():
        async with open_jobs(settings, new_fake_pool(), clock=lambda: now[0]) as jobs:
            id = (await wait_finished(jobs, await submit(jobs, b"one"))).id
            now[0] += 86_401
            async for _ in jobs.events(id):
                pass
            while await jobs.job(id):
                await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert files(settings) == []


def test_many_reservations_remove_no_results(new_fake_pool, settings):
    async def scenario():
        async with open_jobs(replace(settings, disk_budget=4000), new_fake_pool()) as jobs:
            id = (await wait_finished(jobs, await submit(jobs, b"x" * 300))).id
            with jobs.quota.reserve(900):
                await jobs.quota.free_space()
                with jobs.quota.reserve(3000), pytest.raises(QuotaExceeded, match="sent to the service at once"):
                    await jobs.quota.free_space()
                with jobs.quota.reserve(50):
                    await jobs.quota.free_space()
            with jobs.quota.reserve(4001), pytest.raises(QuotaExceeded, match="disk budget"):
                await jobs.quota.free_space()
            assert await jobs.job(id)
            with jobs.quota.reserve(3900):
                await jobs.quota.free_space()
            assert await jobs.job(id) is None

    asyncio.run(scenario())
