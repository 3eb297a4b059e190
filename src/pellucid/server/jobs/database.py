"""Jobs in an SQLite file: what was accepted stays known, whatever becomes of the process."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import PellucidError

State = Literal["queued", "running", "done", "failed", "cancelled"]
VERSION = 1
MOST_ATTEMPTS = 2
GAVE_UP = f"the service was stopped {MOST_ATTEMPTS} times while working on it: try a smaller image"

# `turn` is when a job was last given a worker: whose turn was longest ago is next, so that one image need not wait for
# a batch of hundreds that came before.
SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,
    turn REAL NOT NULL,
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
    facts TEXT,
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
# What no item refers to any more.
ORPHANS = """
DELETE FROM uploads WHERE name NOT IN (SELECT source FROM items)
AND name NOT IN (SELECT reference FROM items WHERE reference IS NOT NULL) RETURNING name
"""


@dataclass(frozen=True)
class Options:
    """What is wanted of a job.

    Attributes:
        model: a denoiser's name.
        strength: from 0 to 1.
        sigma: the noise level in [0, 1] units, or None to have it estimated.
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
        name: what its sender calls it: shown, but never a path.
        source: the upload's name in the spool.
        reference: that of a clean image to compare with, or None.
        state: queued and running are under way; done, failed and cancelled never change.
        attempts: how often it was begun.
        error: why it failed, or None.
        facts: what is told of it once it is done.
    """

    job: str
    number: int
    name: str
    source: str
    reference: str | None = None
    state: State = "queued"
    attempts: int = 0
    error: str | None = None
    facts: dict[str, Any] | None = None

    @property
    def is_refused(self) -> bool:
        """Whether it had failed before it was begun, and will whatever is wanted of it."""
        return self.state == "failed" and not self.attempts


@dataclass(frozen=True)
class Job:
    """Images to be denoised with the same options; times are seconds since 1970, `finished` is None until then."""

    id: str
    created: float
    options: Options
    items: tuple[Item, ...]
    finished: float | None = None
    cancelled: bool = False

    @property
    def status(self) -> State:
        """The state of the whole: a job is done if one of its items is, and failed if none is."""
        if self.finished is None:
            is_untouched = all(item.state == "queued" or item.is_refused for item in self.items)
            return "queued" if is_untouched else "running"
        if self.cancelled:
            return "cancelled"
        return "done" if any(item.state == "done" for item in self.items) else "failed"


@dataclass(frozen=True)
class Ending:
    """How an attempt at an item ended: its state, why it failed, what is told of it, the bytes of its files."""

    state: Literal["done", "failed", "cancelled"]
    error: str | None = None
    facts: Mapping[str, Any] | None = None
    size: int = 0


class Store:
    """Jobs and their items on disk; to be used by one thread at a time.

    Every change is one transaction that is on the disk when the call returns. An item becomes done, failed or
    cancelled once, and stays so.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Open the file, or make it; `clock` tells seconds since 1970.

        Raises:
            PellucidError: if the file is damaged, of another version, or cannot be written.
        """
        self._clock = clock
        try:
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._base.execute(f"PRAGMA {setting}")
            (version,) = self._base.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._base.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise PellucidError(f"cannot use {path} ({error}): give another --spool, or remove this one") from error
        if version not in (0, VERSION):
            raise PellucidError(f"{path} is of another version of Pellucid: give another --spool, or remove this one")

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def add(self, id: str, options: Options, items: Sequence[Item], uploads: Mapping[str, int]) -> Job:
        """Accept a job; `uploads` maps the names of its files that are new in the spool to their bytes.

        Of items that come from another job, states and facts are left behind; those that were refused stay so. Not all
        may be.
        """
        now = self._clock()
        new = tuple(_anew(item, id) for item in items)
        with self._change() as base:
            base.execute(
                "INSERT INTO jobs (id, created, turn, options) VALUES (?, ?, ?, ?)",
                (id, now, now, json.dumps(vars(options))),
            )
            base.executemany("INSERT INTO uploads (name, bytes) VALUES (?, ?)", uploads.items())
            base.executemany(
                "INSERT INTO items (job, number, name, source, reference, state, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(id, each.number, each.name, each.source, each.reference, each.state, each.error) for each in new],
            )
        return Job(id, now, options, new)

    def job(self, id: str) -> Job | None:
        """Return a job as it stands, or None if there is none of this id."""
        row = self._base.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        items = self._base.execute("SELECT * FROM items WHERE job = ? ORDER BY number", (id,))
        options = Options(**json.loads(row["options"]))
        return Job(id, row["created"], options, tuple(map(_item, items)), row["finished"], bool(row["cancelled"]))

    def claim(self) -> tuple[Item, Options] | None:
        """Begin the next item that waits, or return None if none does; jobs take turns."""
        with self._change() as base:
            row = base.execute(
                "SELECT items.*, options FROM items JOIN jobs ON jobs.id = job WHERE state = 'queued' "
                "ORDER BY turn, created, number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            base.execute("UPDATE jobs SET turn = ? WHERE id = ?", (self._clock(), row["job"]))
            base.execute(
                "UPDATE items SET state = 'running', attempts = attempts + 1 WHERE job = ? AND number = ?",
                (row["job"], row["number"]),
            )
        item = replace(_item(row), state="running", attempts=row["attempts"] + 1)
        return item, Options(**json.loads(row["options"]))

    def end(self, item: Item, ending: Ending) -> bool:
        """Note how an attempt ended, and return whether it was the one under way."""
        told = None if ending.facts is None else json.dumps(ending.facts, allow_nan=False)
        with self._change() as base:
            ended = base.execute(
                "UPDATE items SET state = ?, error = ?, facts = ?, bytes = ? "
                "WHERE job = ? AND number = ? AND state = 'running' AND attempts = ?",
                (ending.state, ending.error, told, ending.size, item.job, item.number, item.attempts),
            )
            base.execute(FINISHED, (self._clock(), item.job))
        return ended.rowcount == 1

    def put_back(self, item: Item) -> None:
        """Let an item that was begun wait again, as if it had not been."""
        with self._change() as base:
            base.execute(
                "UPDATE items SET state = 'queued', attempts = attempts - 1 "
                "WHERE job = ? AND number = ? AND state = 'running' AND attempts = ?",
                (item.job, item.number, item.attempts),
            )

    def cancel(self, id: str) -> None:
        """Begin no more of a job; `end` says when what is running has stopped."""
        with self._change() as base:
            base.execute("UPDATE jobs SET cancelled = 1 WHERE id = ? AND finished IS NULL", (id,))
            base.execute("UPDATE items SET state = 'cancelled' WHERE job = ? AND state = 'queued'", (id,))
            base.execute(FINISHED, (self._clock(), id))

    def is_cancelled(self, id: str) -> bool:
        """Return whether somebody has cancelled a job."""
        row = self._base.execute("SELECT cancelled FROM jobs WHERE id = ?", (id,)).fetchone()
        return row is not None and bool(row["cancelled"])

    def remove(self, id: str) -> list[str] | None:
        """Forget a finished job; return the uploads that no other works on, or None if there is no such job."""
        with self._change() as base:
            gone = base.execute("DELETE FROM jobs WHERE id = ? AND finished IS NOT NULL", (id,))
            return [name for (name,) in base.execute(ORPHANS)] if gone.rowcount else None

    def recover(self, settled: Callable[[str, int], tuple[dict[str, Any], int] | None]) -> None:
        """Put right what was running when the process ended; to be called before anything is claimed.

        Args:
            settled: returns facts and bytes of an item's result if there is one: then it is done, and is not done
                twice. Others wait again, unless they were cancelled or begun `MOST_ATTEMPTS` times.
        """
        for row in self._base.execute(
            "SELECT items.*, cancelled FROM items JOIN jobs ON jobs.id = job WHERE state = 'running'"
        ).fetchall():
            item = _item(row)
            found = settled(item.job, item.number)
            if found:
                self.end(item, Ending("done", facts=found[0], size=found[1]))
            elif row["cancelled"]:
                self.end(item, Ending("cancelled"))
            elif item.attempts >= MOST_ATTEMPTS:
                self.end(item, Ending("failed", GAVE_UP))
            else:
                self._base.execute(
                    "UPDATE items SET state = 'queued' WHERE job = ? AND number = ?", (item.job, item.number)
                )

    def finished(self, before: float | None = None) -> list[str]:
        """Return the ids of the finished jobs, the oldest first, or of those that finished before a time."""
        rows = self._base.execute(
            "SELECT id FROM jobs WHERE finished IS NOT NULL AND finished <= ifnull(?, finished) ORDER BY finished, id",
            (before,),
        )
        return [id for (id,) in rows]

    def used(self) -> int:
        """Return the bytes of all uploads and results."""
        (total,) = self._base.execute(
            "SELECT (SELECT ifnull(sum(bytes), 0) FROM uploads) + (SELECT ifnull(sum(bytes), 0) FROM items)"
        ).fetchone()
        return total

    def waiting(self) -> int:
        """Return how many items wait for their turn."""
        (count,) = self._base.execute("SELECT count(*) FROM items WHERE state = 'queued'").fetchone()
        return count

    def known(self) -> tuple[set[str], set[str]]:
        """Return the ids of all jobs and the names of all uploads."""
        ids, names = (
            {name for (name,) in self._base.execute(f"SELECT {column} FROM {table}")}
            for column, table in (("id", "jobs"), ("name", "uploads"))
        )
        return ids, names

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield self._base
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")


def _anew(item: Item, job: str) -> Item:
    """Return an item of a new job as it begins."""
    begun = Item(job, item.number, item.name, item.source, item.reference)
    return replace(begun, state="failed", error=item.error) if item.is_refused else begun


def _item(row: sqlite3.Row) -> Item:
    facts = None if row["facts"] is None else json.loads(row["facts"])
    return Item(
        row["job"],
        row["number"],
        row["name"],
        row["source"],
        row["reference"],
        row["state"],
        row["attempts"],
        row["error"],
        facts,
    )
