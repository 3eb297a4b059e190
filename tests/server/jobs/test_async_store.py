import asyncio
import sqlite3
import threading

import pytest

from pellucid.errors import PellucidError
from pellucid.server.jobs.async_store import Ledger
from pellucid.server.jobs.database import Store


def opened(tmp_path, act):
    async def run():
        ledger = Ledger(tmp_path / "jobs.sqlite3", lambda: 5.0)
        await ledger.open()
        try:
            return await act(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


def test_calls_are_made_on_one_other_thread_in_turn(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Store, "used", lambda store, number=0: seen.append((number, threading.get_ident())) or number)

    async def act(ledger):
        return await asyncio.gather(*(ledger.call(Store.used, number) for number in range(20)))

    assert opened(tmp_path, act) == list(range(20)) == [number for number, _ in seen]
    assert len({thread for _, thread in seen}) == 1 and seen[0][1] != threading.get_ident()


def test_a_caller_who_leaves_does_not_stop_a_call(tmp_path, monkeypatch):
    go, done = threading.Event(), []
    monkeypatch.setattr(Store, "used", lambda store: go.wait(10) and done.append(1))

    async def act(ledger):
        call = asyncio.create_task(ledger.call(Store.used))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        return await ledger.call(Store.waiting)

    assert opened(tmp_path, act) == 0 and done == [1]


def test_what_has_to_be_written_is_tried_until_there_is_room_or_the_end(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("pellucid.server.jobs.async_store.PAUSE", 0.001)
    fails = [sqlite3.OperationalError("database or disk is full")] * 3

    def used(store):
        if fails:
            raise fails.pop()
        return 7

    monkeypatch.setattr(Store, "used", used)

    async def act(ledger):
        ended = asyncio.Event()
        found = await ledger.insist(ended, Store.used)
        ended.set()
        fails.append(sqlite3.OperationalError("database or disk is full"))
        with pytest.raises(sqlite3.OperationalError):
            await ledger.insist(ended, Store.used)
        return found

    assert opened(tmp_path, act) == 7 and caplog.text.count("free some space") == 3


def test_one_that_cannot_be_opened_can_be_closed(tmp_path):
    (tmp_path / "jobs.sqlite3").write_bytes(b"not a database, but long enough to be looked at by SQLite" * 20)

    async def run():
        ledger = Ledger(tmp_path / "jobs.sqlite3", lambda: 5.0)
        with pytest.raises(PellucidError, match=r"cannot use .*jobs\.sqlite3"):
            await ledger.open()
        await ledger.close()

    asyncio.run(run())
