import asyncio
import sqlite3
import threading

import pytest

from pellucid.errors import PellucidError
from pellucid.server.jobs.async_store import AsyncStore
from pellucid.server.jobs.database import JobStore


def with_store(tmp_path, use):
    async def run():
        store = AsyncStore(tmp_path / "jobs.sqlite3", lambda: 5.0)
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_calls_are_made_one_by_one_on_another_thread(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        JobStore, "used", lambda store, number=0: seen.append((number, threading.get_ident())) or number
    )

    async def use(store):
        return await asyncio.gather(*(store.call(JobStore.used, number) for number in range(20)))

    assert with_store(tmp_path, use) == list(range(20)) == [number for number, _ in seen]
    assert len({thread for _, thread in seen}) == 1 and seen[0][1] != threading.get_ident()


def test_a_cancelled_caller_does_not_stop_a_call(tmp_path, monkeypatch):
    go, done = threading.Event(), []
    monkeypatch.setattr(JobStore, "used", lambda store: go.wait(10) and done.append(1))

    async def use(store):
        call = asyncio.create_task(store.call(JobStore.used))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        return await store.call(JobStore.waiting)

    assert with_store(tmp_path, use) == 0 and done == [1]


def test_retry_calls_until_the_disk_has_space_or_the_service_stops(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("pellucid.server.jobs.async_store.RETRY_SECONDS", 0.001)
    fails = [sqlite3.OperationalError("database or disk is full")] * 3

    def used(store):
        if fails:
            raise fails.pop()
        return 7

    monkeypatch.setattr(JobStore, "used", used)

    async def use(store):
        stopping = asyncio.Event()
        found = await store.retry(stopping, JobStore.used)
        stopping.set()
        fails.append(sqlite3.OperationalError("database or disk is full"))
        with pytest.raises(sqlite3.OperationalError):
            await store.retry(stopping, JobStore.used)
        return found

    assert with_store(tmp_path, use) == 7 and caplog.text.count("free some space") == 3


def test_a_store_that_cannot_be_opened_can_be_closed(tmp_path):
    (tmp_path / "jobs.sqlite3").write_bytes(b"not a database, but long enough to be looked at by SQLite" * 20)

    async def run():
        store = AsyncStore(tmp_path / "jobs.sqlite3", lambda: 5.0)
        with pytest.raises(PellucidError, match=r"cannot use .*jobs\.sqlite3"):
            await store.open()
        await store.close()

    asyncio.run(run())
