import sqlite3

import pytest

from pellucid.errors import PellucidError
from pellucid.server.jobs.database import Item, ItemResult, JobOptions, JobStore

PHOTO = JobOptions("photo", 0.5, 0.1, "digits")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    store = JobStore(tmp_path / "jobs.sqlite3", clock)
    yield store
    store.close()


def items(*sources, reference=None):
    return [Item("", number, f"{name}.png", name, reference) for number, name in enumerate(sources, 1)]


def accept(store, job, *sources):
    return store.add(job, PHOTO, items(*sources), dict.fromkeys(sources, 100))


def states(store, job):
    return [item.state for item in store.job(job).items]


def test_an_accepted_job_is_known_to_another_process(store, tmp_path):
    added = store.add("j", PHOTO, items("a", "b", reference="c"), {"a": 1, "b": 2, "c": 3})
    other = JobStore(tmp_path / "jobs.sqlite3", Clock())
    assert other.job("j") == added == store.job("j")
    assert added.options == PHOTO and added.status == "queued" and added.items[1].reference == "c"
    assert other.used() == 6 and other.known() == ({"j"}, {"a", "b", "c"}) and other.job("k") is None
    other.close()


def test_an_item_goes_from_queued_to_running_to_done(store):
    accept(store, "j", "a")
    assert store.waiting() == 1
    item, options = store.claim()
    assert store.waiting() == 0
    assert (item.state, item.attempts, options) == ("running", 1, PHOTO) and store.job("j").status == "running"
    assert store.claim() is None
    assert store.end(item, ItemResult("done", metadata={"width": 3}, size=50))
    job = store.job("j")
    assert job.status == "done" and job.finished > job.created and job.items[0].metadata == {"width": 3}
    assert store.used() == 150


def test_a_job_with_the_items_of_another_starts_fresh(store):
    accept(store, "j", "a", "b")
    store.end(store.claim()[0], ItemResult("done", metadata={"width": 3}))
    added = store.add("k", PHOTO, store.job("j").items, {})
    assert added == store.job("k") and states(store, "k") == ["queued", "queued"] and added.items[0].metadata is None


def refused(number, source):
    return Item("", number, f"{source}.png", source, state="failed", error="no image")


def test_a_refused_item_is_never_started(store, tmp_path):
    added = store.add("j", PHOTO, [refused(1, "a"), *items("x", "b")[1:]], {"a": 1, "b": 1})
    assert added == store.job("j") and (added.status, store.waiting()) == ("queued", 1)
    assert added.items[0].is_refused and not added.items[1].is_refused
    store.recover(lambda job, number: None)
    item, _ = store.claim()
    assert item.number == 2 and store.job("j").status == "running" and store.claim() is None
    store.end(item, ItemResult("failed", "out of memory"))
    store.add("k", PHOTO, store.job("j").items, {})
    assert [(item.state, item.error) for item in store.job("k").items] == [("failed", "no image"), ("queued", None)]
    assert store.waiting() == 1 and store.job("k").status == "queued"
    assert store.remove("j") == [] and store.known() == ({"k"}, {"a", "b"})


def test_a_job_with_a_refused_item_is_done_or_cancelled_with_the_others(store):
    for job, result in (("j", ItemResult("done")), ("k", ItemResult("cancelled"))):
        new = {f"{job}{name}": 1 for name in "abc"}
        store.add(job, PHOTO, [refused(1, f"{job}a"), *items(*new)[1:]], new)
        store.end(store.claim()[0], result)
        if result.state == "cancelled":
            store.cancel(job)
        else:
            store.end(store.claim()[0], result)
        assert store.job(job).status == result.state and states(store, job) == ["failed", *[result.state] * 2]
    assert store.finished() == ["j", "k"]


def test_a_done_item_is_never_run_again(store):
    accept(store, "j", "a")
    item, _ = store.claim()
    assert store.end(item, ItemResult("done", metadata={"width": 3}))
    assert not store.end(item, ItemResult("failed", "late"))
    store.requeue(item)
    store.cancel("j")
    store.recover(lambda job, number: pytest.fail("nothing was running"))
    assert store.claim() is None and states(store, "j") == ["done"] and store.job("j").status == "done"


def test_an_abandoned_attempt_cannot_end_the_next(store):
    accept(store, "j", "a")
    first, _ = store.claim()
    store.recover(lambda job, number: None)
    second, _ = store.claim()
    assert (first.attempts, second.attempts) == (1, 2)
    assert not store.end(first, ItemResult("done", metadata={})) and states(store, "j") == ["running"]
    assert store.end(second, ItemResult("done", metadata={}))


def test_jobs_take_turns(store):
    accept(store, "batch", "a", "b", "c", "d")
    first, _ = store.claim()
    accept(store, "small", "e")
    order = [(item.job, item.number) for item, _ in (store.claim() for _ in range(4))]
    assert (first.job, first.number) == ("batch", 1)
    assert order == [("batch", 2), ("small", 1), ("batch", 3), ("batch", 4)]


def test_a_job_is_failed_if_nothing_of_it_is_done(store):
    accept(store, "none", "a", "b")
    accept(store, "some", "c", "d")
    for _ in range(4):
        item, _ = store.claim()
        store.end(item, ItemResult("done", metadata={}) if item.source == "c" else ItemResult("failed", "damaged"))
    assert store.job("none").status == "failed" and store.job("some").status == "done"
    assert [item.error for item in store.job("some").items] == [None, "damaged"]


def test_a_cancelled_job_starts_no_more_and_finishes_with_its_running_item(store):
    accept(store, "j", "a", "b", "c")
    running, _ = store.claim()
    assert not store.is_cancelled("j") and not store.is_cancelled("unknown")
    store.cancel("j")
    assert store.is_cancelled("j") and states(store, "j") == ["running", "cancelled", "cancelled"]
    assert store.claim() is None and store.job("j").status == "running" and store.remove("j") is None
    store.end(running, ItemResult("cancelled"))
    assert store.job("j").status == "cancelled" and store.remove("j") == ["a", "b", "c"]


def test_a_queued_job_is_cancelled_at_once(store):
    accept(store, "j", "a")
    store.cancel("j")
    assert store.job("j").status == "cancelled" and store.job("j").finished


def test_an_item_that_ran_when_the_process_ended_runs_again_or_fails(store):
    accept(store, "j", "a")
    for attempt in (1, 2):
        item, _ = store.claim()
        assert item.attempts == attempt
        store.recover(lambda job, number: None)
    assert store.claim() is None
    (item,) = store.job("j").items
    error = "the service was stopped 2 times while working on it: try a smaller image"
    assert (item.state, item.error, store.job("j").status) == ("failed", error, "failed")


def test_a_result_that_was_there_when_the_process_ended_counts(store):
    accept(store, "j", "a", "b")
    assert store.claim() and store.claim()
    store.recover(lambda job, number: ({"width": 3}, 70) if number == 1 else None)
    assert states(store, "j") == ["done", "queued"] and store.job("j").items[0].metadata == {"width": 3}
    assert store.used() == 270


def test_an_item_that_was_being_cancelled_when_the_process_ended_is_cancelled(store):
    accept(store, "j", "a")
    store.claim()
    store.cancel("j")
    store.recover(lambda job, number: None)
    assert store.job("j").status == "cancelled"


def test_a_requeued_item_has_lost_no_attempt(store):
    accept(store, "j", "a")
    store.requeue(store.claim()[0])
    assert states(store, "j") == ["queued"] and store.claim()[0].attempts == 1


def test_uploads_are_removed_with_the_last_job_that_uses_them(store):
    store.add("first", PHOTO, items("a", "b", reference="c"), {"a": 1, "b": 2, "c": 4})
    store.add("again", PHOTO, items("a", reference="c"), {})
    assert store.remove("first") is None and store.remove("unknown") is None
    for job in ("first", "again"):
        store.cancel(job)
    assert store.remove("first") == ["b"] and store.used() == 5 and store.job("first") is None
    assert sorted(store.remove("again")) == ["a", "c"] and store.used() == 0


def test_finished_jobs_are_listed_from_the_oldest(store, clock):
    for job in ("x", "y", "z"):
        accept(store, job, job)
    for job in ("y", "x"):
        store.cancel(job)
    assert store.finished() == ["y", "x"]
    assert store.finished(before=store.job("y").finished) == ["y"] and store.finished(before=0) == []


def test_a_job_that_cannot_be_added_leaves_nothing(store):
    accept(store, "j", "a")
    with pytest.raises(sqlite3.IntegrityError):
        store.add("k", PHOTO, items("unknown"), {})
    with pytest.raises(sqlite3.IntegrityError):
        accept(store, "j", "b")
    assert store.known() == ({"j"}, {"a"})


def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"not a database, but long enough to be looked at by SQLite" * 20)
    with pytest.raises(PellucidError, match=r"cannot use .*jobs\.sqlite3 .*: give another --spool"):
        JobStore(path, Clock())
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PellucidError, match="another version"):
        JobStore(path, Clock())
