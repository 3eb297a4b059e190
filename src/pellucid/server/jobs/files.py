"""The folder in which uploads and results lie: every name in it is the service's own, never a client's."""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.utils.atomic_write import reason_of

NAME = re.compile(r"[0-9a-f]{32}")
FACTS = "facts.json"
RESULT, PREVIEWS = "result", ("before", "after", "difference")


class Spool:
    """A folder of the service's own, which one process at a time may use.

    `incoming/` holds what is being received or worked on for a request that waits for it, and is emptied on start;
    `uploads/` what jobs work on, several of which may share a file; `results/JOB/NUMBER/` what an item came to. The
    folder of an attempt becomes that of the item by one rename, so that there is a whole result or none.

    Attributes:
        folder: where it is; absolute.
        database: the file for `pellucid.server.jobs.database`.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, for the owner's eyes alone, if it is not there.

        Raises:
            PellucidError: if it cannot be made or written to.
        """
        self.folder = folder.absolute()
        self.database = self.folder / "jobs.sqlite3"
        self._incoming, self._uploads, self._results = (
            self.folder / name for name in ("incoming", "uploads", "results")
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in (self._incoming, self._uploads, self._results):
                part.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise PellucidError(f"cannot use the spool {folder}: {reason_of(error)}") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the spool, which ends with the process however that ends, and empty `incoming/`.

        Raises:
            PellucidError: if another process holds it.
        """
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise PellucidError(
                    f"another pellucid serve uses the spool {self.folder}: stop it, or give another --spool"
                ) from error
            for left in self._incoming.iterdir():
                remove(left)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a new folder, which is removed at the end with what is still in it."""
        folder = self._incoming / new_name()
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            remove(folder)

    def keep(self, received: Path) -> str:
        """Move a file that is whole out of `scratch` to the uploads, and return its name there."""
        name = new_name()
        synchronise(received)
        received.rename(self._uploads / name)
        synchronise(self._uploads)
        return name

    def upload(self, name: str) -> Path:
        """Return where an upload lies."""
        return self._uploads / _checked(name)

    def item(self, job: str, number: int) -> Path:
        """Return the folder of what an item came to; it is there once there is a result."""
        return self._results / _checked(job) / str(int(number))

    def attempt(self, job: str, number: int, attempt: int) -> Path:
        """Return a new folder to work in, which the caller removes unless `settle` moved it.

        No other attempt, such as that of a worker that outlived its server, has the same folder.
        """
        folder = self.item(job, number).with_name(f"{int(number)}.{int(attempt)}")
        remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def settle(self, attempt: Path, job: str, number: int, facts: dict[str, Any]) -> None:
        """Make the folder of an attempt that of the item, with its facts, in one step that survives a power cut."""
        (attempt / FACTS).write_text(json.dumps(facts, allow_nan=False), encoding="utf-8")
        for path in (*attempt.iterdir(), attempt):
            synchronise(path)
        target = self.item(job, number)
        attempt.rename(target)
        for folder in (target.parent, self._results):
            synchronise(folder)

    def settled(self, job: str, number: int) -> dict[str, Any] | None:
        """Return the facts of an item that there is a result of, else None."""
        with suppress(OSError, ValueError):
            return json.loads((self.item(job, number) / FACTS).read_text(encoding="utf-8"))
        return None

    def forget(self, job: str, uploads: Iterable[str]) -> None:
        """Remove what a job came to, and uploads that no other works on."""
        remove(self._results / _checked(job))
        for name in uploads:
            remove(self.upload(name))

    def tidy(self, jobs: set[str], uploads: set[str]) -> None:
        """Remove what belongs to no job, and what attempts left that were killed; none may be under way."""
        for path in self._uploads.iterdir():
            if path.name not in uploads:
                remove(path)
        for folder in self._results.iterdir():
            if folder.name not in jobs:
                remove(folder)
                continue
            for left in folder.iterdir():
                if not left.name.isdecimal():
                    remove(left)


def new_name() -> str:
    """Return a name that nobody can guess, for a job or an upload."""
    return secrets.token_hex(16)


def find(folder: Path, kind: str) -> Path | None:
    """Return the file of a settled item: its result, or one of the PREVIEWS; None if there is none."""
    if kind not in (RESULT, *PREVIEWS):
        return None
    found = [path for path in folder.iterdir() if path.stem == kind] if folder.is_dir() else []
    return found[0] if found else None


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    return sum(entry.stat().st_size for entry in path.iterdir()) if path.is_dir() else path.stat().st_size


def remove(path: Path) -> None:
    """Remove a file or a folder that may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def synchronise(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(name: str) -> str:
    """Return a name that the service made.

    Raises:
        ValueError: if it cannot be one.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name in the spool")
    return name
