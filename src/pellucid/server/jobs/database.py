"""Jobs in an SQLite file: an accepted job survives whatever happens to the process."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import OldFormat, PellucidError

State = Literal["queued", "running", "done", "failed", "cancelled"]
FORMAT = 2
MAX_ATTEMPTS = 2
TOO_MANY_ATTEMPTS = f"the service was stopped {MAX_ATTEMPTS} times while working on it: try a smaller image"

# `last_scheduled` is when an item of the job was last started. The job that has waited longest is next, so that an
# image does not wait for a batch of hundreds that came before.
SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,
    last_scheduled REAL NOT NULL,
    finished REAL,
    cancelled INTEGER NOT NULL DEFAULT 0,
    options TEXT NOT NULL
);
CREATE TABLE uploads (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE items (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL REFERENCES uploads (name),
    reference TEXT REFERENCES uploads (name),
    state TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    metadata TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, number)
);
CREATE INDEX states ON items (state);
CREATE INDEX sources ON items (source);
CREATE INDEX refs ON items (reference);
"""
FINISHED = """
UPDATE jobs SET finished = ? WHERE id = ? AND finished IS NULL
AND NOT EXISTS (SELECT 1 FROM items WHERE job = jobs.id AND state IN ('queued', 'running'))
"""
# Uploads that no item refers to any more.
ORPHANS = """
DELETE FROM uploads WHERE name NOT IN (SELECT source FROM items)
AND name NOT IN (SELECT reference FROM items WHERE reference IS NOT NULL) RETURNING name
"""


@dataclass(frozen=True)
class JobOptions:
    """The options of a job.

    Attributes:
        model: a denoiser's name.
        strength: from 0 to 1.
        sigma: the noise level in [0, 1] units, or None to estimate it.
        classifier: a classifier's name, or None.
    """

    model: str
    strength: float = 1.0
    sigma: float | None = None
    classifier: str | None = None


@dataclass(frozen=True)
class Item:
    """One image of a job.

    Attributes:
        job: the job's id.
        number: from 1.
        name: the client's name for it: shown, but never used as a path.
        source: the upload's name in the spool.
        reference: the upload's name of a clean image to compare with, or None.
        state: queued and running may change; done, failed and cancelled are final.
        attempts: how often it was started.
        error: why it failed, or None.
        metadata: of the result, see `pellucid.server.workers.tasks.WorkResult`; None until it is done.
    """

    job: str
    number: int
    name: str
    source: str
    reference: str | None = None
    state: State = "queued"
    attempts: int = 0
    error: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def is_refused(self) -> bool:
        """Whether it failed before it was started, and will fail with any options."""
        return self.state == "failed" and not self.attempts


@dataclass(frozen=True)
class Job:
    """Images that are denoised with the same options.

    Attributes:
        id: 32 hexadecimal digits.
        created: in seconds since 1970.
        options: for all items.
        items: the images.
        finished: in seconds since 1970; None until all items are final.
        cancelled: whether a client has cancelled it.
    """

    id: str
    created: float
    options: JobOptions
    items: tuple[Item, ...]
    finished: float | None = None
    cancelled: bool = False

    @property
    def status(self) -> State:
        """The state of the job: it is done if one of its items is, and failed if none is."""
        if self.finished is None:
            is_untouched = all(item.state == "queued" or item.is_refused for item in self.items)
            return "queued" if is_untouched else "running"
        if self.cancelled:
            return "cancelled"
        return "done" if any(item.state == "done" for item in self.items) else "failed"


@dataclass(frozen=True)
class ItemResult:
    """The result of an attempt at an item: its final state, error, metadata, and the bytes of its files."""

    state: Literal["done", "failed", "cancelled"]
    error: str | None = None
    metadata: Mapping[str, Any] | None = None
    size: int = 0


class JobStore:
    """Jobs and their items on disk; only one thread at a time may use it.

    Every change is one transaction that is on the disk when the call returns.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file.

        Args:
            path: of the file.
            clock: returns seconds since 1970.

        Raises:
            PellucidError: if the file is damaged, of another format, or cannot be written.
        """
        self._clock = clock
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {setting}")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        except sqlite3.Error as error:
            raise PellucidError(f"cannot use {path} ({error}): give another --spool, or remove this one") from error
        if version == 1:
            raise OldFormat(path.parent, "spool")
        if version not in (0, FORMAT):
            raise PellucidError(f"{path} is of another version of Pellucid: give another --spool, or remove this one")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, id: str, options: JobOptions, items: Sequence[Item], uploads: Mapping[str, int]) -> Job:
        """Accept a job.

        Args:
            id: of the job.
            options: for all items.
            items: may come from another job; only refused ones keep their state. At least one is not refused.
            uploads: maps the names of files that are new in the spool to their bytes.
        """
        now = self._clock()
        new = tuple(_fresh_item(item, id) for item in items)
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (id, created, last_scheduled, options) VALUES (?, ?, ?, ?)",
                (id, now, now, json.dumps(vars(options))),
            )
            connection.executemany("INSERT INTO uploads (name, bytes) VALUES (?, ?)", uploads.items())
            connection.executemany(
                "INSERT INTO items (job, number, name, source, reference, state, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(id, each.number, each.name, each.source, each.reference, each.state, each.error) for each in new],
            )
        return Job(id, now, options, new)

    def job(self, id: str) -> Job | None:
        """Return a job, or None if there is none with this id."""
        row = self._connection.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        items = self._connection.execute("SELECT * FROM items WHERE job = ? ORDER BY number", (id,))
        options = JobOptions(**json.loads(row["options"]))
        return Job(id, row["created"], options, tuple(map(_item, items)), row["finished"], bool(row["cancelled"]))

    def claim(self) -> tuple[Item, JobOptions] | None:
        """Mark the next queued item as running and return it, or None if none is queued; jobs take turns."""
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT items.*, options FROM items JOIN jobs ON jobs.id = job WHERE state = 'queued' "
                "ORDER BY last_scheduled, created, number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            connection.execute("UPDATE jobs SET last_scheduled = ? WHERE id = ?", (self._clock(), row["job"]))
            connection.execute(
                "UPDATE items SET state = 'running', attempts = attempts + 1 WHERE job = ? AND number = ?",
                (row["job"], row["number"]),
            )
        item = replace(_item(row), state="running", attempts=row["attempts"] + 1)
        return item, JobOptions(**json.loads(row["options"]))

    def end(self, item: Item, result: ItemResult) -> bool:
        """Store the result of an attempt; returns False, and changes nothing, if it was not the current attempt."""
        metadata = None if result.metadata is None else json.dumps(result.metadata, allow_nan=False)
        with self._transaction() as connection:
            ended = connection.execute(
                "UPDATE items SET state = ?, error = ?, metadata = ?, bytes = ? "
                "WHERE job = ? AND number = ? AND state = 'running' AND attempts = ?",
                (result.state, result.error, metadata, result.size, item.job, item.number, item.attempts),
            )
            connection.execute(FINISHED, (self._clock(), item.job))
        return ended.rowcount == 1

    def requeue(self, item: Item) -> None:
        """Put a running item back into the queue; the attempt does not count."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE items SET state = 'queued', attempts = attempts - 1 "
                "WHERE job = ? AND number = ? AND state = 'running' AND attempts = ?",
                (item.job, item.number, item.attempts),
            )

    def cancel(self, id: str) -> None:
        """Start no more items of a job; `end` is called for those that run."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET cancelled = 1 WHERE id = ? AND finished IS NULL", (id,))
            connection.execute("UPDATE items SET state = 'cancelled' WHERE job = ? AND state = 'queued'", (id,))
            connection.execute(FINISHED, (self._clock(), id))

    def is_cancelled(self, id: str) -> bool:
        """Return whether a job was cancelled."""
        row = self._connection.execute("SELECT cancelled FROM jobs WHERE id = ?", (id,)).fetchone()
        return row is not None and bool(row["cancelled"])

    def remove(self, id: str) -> list[str] | None:
        """Remove a finished job; returns the uploads that no other job uses, or None if there is no such job."""
        with self._transaction() as connection:
            removed = connection.execute("DELETE FROM jobs WHERE id = ? AND finished IS NOT NULL", (id,))
            return [name for (name,) in connection.execute(ORPHANS)] if removed.rowcount else None

    def recover(self, committed: Callable[[str, int], tuple[dict[str, Any], int] | None]) -> None:
        """Resolve the items that were running when the process ended; to be called before `claim`.

        Args:
            committed: returns metadata and bytes of an item's result if there is one: such an item is done. Others are
                queued again, unless they were cancelled or started `MAX_ATTEMPTS` times.
        """
        for row in self._connection.execute(
            "SELECT items.*, cancelled FROM items JOIN jobs ON jobs.id = job WHERE state = 'running'"
        ).fetchall():
            item = _item(row)
            result = committed(item.job, item.number)
            if result:
                self.end(item, ItemResult("done", metadata=result[0], size=result[1]))
            elif row["cancelled"]:
                self.end(item, ItemResult("cancelled"))
            elif item.attempts >= MAX_ATTEMPTS:
                self.end(item, ItemResult("failed", TOO_MANY_ATTEMPTS))
            else:
                self._connection.execute(
                    "UPDATE items SET state = 'queued' WHERE job = ? AND number = ?", (item.job, item.number)
                )

    def finished(self, before: float | None = None) -> list[str]:
        """Return the ids of finished jobs, the oldest first; with `before` only those that finished by then."""
        rows = self._connection.execute(
            "SELECT id FROM jobs WHERE finished IS NOT NULL AND finished <= ifnull(?, finished) ORDER BY finished, id",
            (before,),
        )
        return [id for (id,) in rows]

    def used(self) -> int:
        """Return the bytes of all uploads and results."""
        (total,) = self._connection.execute(
            "SELECT (SELECT ifnull(sum(bytes), 0) FROM uploads) + (SELECT ifnull(sum(bytes), 0) FROM items)"
        ).fetchone()
        return total

    def waiting(self) -> int:
        """Return the number of queued items."""
        (count,) = self._connection.execute("SELECT count(*) FROM items WHERE state = 'queued'").fetchone()
        return count

    def known(self) -> tuple[set[str], set[str]]:
        """Return the ids of all jobs and the names of all uploads."""
        ids, names = (
            {name for (name,) in self._connection.execute(f"SELECT {column} FROM {table}")}
            for column, table in (("id", "jobs"), ("name", "uploads"))
        )
        return ids, names

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _fresh_item(item: Item, job: str) -> Item:
    """Return an item as it is at the start of a job."""
    fresh = Item(job, item.number, item.name, item.source, item.reference)
    return replace(fresh, state="failed", error=item.error) if item.is_refused else fresh


def _item(row: sqlite3.Row) -> Item:
    columns = ("job", "number", "name", "source", "reference", "state", "attempts", "error")
    metadata = None if row["metadata"] is None else json.loads(row["metadata"])
    return Item(*(row[column] for column in columns), metadata=metadata)
