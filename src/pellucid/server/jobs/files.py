"""The spool: the folder of uploads and results. The service makes every name in it, no client does."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pellucid.errors import PellucidError
from pellucid.utils.atomic_write import error_reason

NAME = re.compile(r"[0-9a-f]{32}")
METADATA = "metadata.json"
RESULT, PREVIEWS = "result", ("before", "after", "difference")


class JobFiles:
    """The spool folder, which one process at a time may use.

    `incoming/` holds uploads that are arriving and the files of requests without a job; it is emptied on start.
    `uploads/` holds the images of jobs; several jobs may use the same file. `results/JOB/NUMBER/` holds the result of
    an item. An attempt works in a folder of its own that is renamed to that of the item, so that there is a whole
    result or none.

    Attributes:
        folder: its absolute path.
        database: the file for `pellucid.server.jobs.database`.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder, readable by its owner only, if it does not exist.

        Raises:
            PellucidError: if it cannot be created or written to.
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
            raise PellucidError(f"cannot use the spool {folder}: {error_reason(error)}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the spool, and empty `incoming/`; the lock ends with the process, however that ends.

        Raises:
            PellucidError: if another process has locked it.
        """
        try:
            lock = FileLock(self.folder / "lock").acquire(timeout=0)
        except Timeout as error:
            raise PellucidError(
                f"another pellucid serve uses the spool {self.folder}: stop it, or give another --spool"
            ) from error
        with lock:
            for path in self._incoming.iterdir():
                remove(path)
            yield

    @contextmanager
    def temporary_folder(self) -> Iterator[Path]:
        """Yield a new folder, which is removed at the end with its content."""
        folder = self._incoming / new_name()
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            remove(folder)

    def store_upload(self, received: Path) -> str:
        """Move a complete file from a temporary folder to the uploads; returns its name there."""
        name = new_name()
        fsync(received)
        received.rename(self._uploads / name)
        fsync(self._uploads)
        return name

    def upload(self, name: str) -> Path:
        """Return the path of an upload."""
        return self._uploads / _checked(name)

    def item(self, job: str, number: int) -> Path:
        """Return the folder of an item's result; it exists once there is a result."""
        return self._results / _checked(job) / str(int(number))

    def attempt(self, job: str, number: int, attempt: int) -> Path:
        """Return a new folder to work in, which the caller removes unless `commit` has moved it.

        No other attempt has the same folder, such as that of a worker whose server was killed before it.
        """
        folder = self.item(job, number).with_name(f"{int(number)}.{int(attempt)}")
        remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def commit(self, attempt: Path, job: str, number: int, metadata: dict[str, Any]) -> None:
        """Write the metadata and make the folder of an attempt that of the item, in one step that survives a crash."""
        (attempt / METADATA).write_text(json.dumps(metadata, allow_nan=False), encoding="utf-8")
        for path in (*attempt.iterdir(), attempt):
            fsync(path)
        target = self.item(job, number)
        attempt.rename(target)
        for folder in (target.parent, self._results):
            fsync(folder)

    def committed(self, job: str, number: int) -> dict[str, Any] | None:
        """Return the metadata of an item that has a result, else None."""
        with suppress(OSError, ValueError):
            return json.loads((self.item(job, number) / METADATA).read_text(encoding="utf-8"))
        return None

    def remove_job(self, job: str, uploads: Iterable[str]) -> None:
        """Remove the results of a job, and uploads that no other job uses."""
        remove(self._results / _checked(job))
        for name in uploads:
            remove(self.upload(name))

    def remove_orphans(self, jobs: set[str], uploads: set[str]) -> None:
        """Remove files of unknown jobs and of killed attempts; no attempt may be running."""
        for path in self._uploads.iterdir():
            if path.name not in uploads:
                remove(path)
        for folder in self._results.iterdir():
            if folder.name not in jobs:
                remove(folder)
                continue
            for path in folder.iterdir():
                if not path.name.isdecimal():
                    remove(path)


def new_name() -> str:
    """Return a name for a job or an upload that nobody can guess."""
    return secrets.token_hex(16)


def find(folder: Path, kind: str) -> Path | None:
    """Return a file of a committed item: its result, or one of the PREVIEWS; None if it does not exist."""
    if kind not in (RESULT, *PREVIEWS):
        return None
    return next((path for path in folder.iterdir() if path.stem == kind), None) if folder.is_dir() else None


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    return sum(entry.stat().st_size for entry in path.iterdir()) if path.is_dir() else path.stat().st_size


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def fsync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(name: str) -> str:
    """Return a name that the service made.

    Raises:
        ValueError: if it is any other name.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name in the spool")
    return name
