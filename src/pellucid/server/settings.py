"""What the service is told when it starts: each is an option of `pellucid serve`."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.errors import UsageError
from pellucid.utils.system import cores, memory

MEGABYTE, GIGABYTE = 1_000_000, 1_000_000_000
LEAST_MEMORY = 512 * MEGABYTE  # what the libraries and the networks take by themselves, and a small image


def usual_spool() -> Path:
    """Return the folder for uploads and results where none is named, as the XDG base directories have it."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pellucid" / "spool"


@dataclass(frozen=True)
class Settings:
    """What the service is told; every limit has a default that suits a machine for a few people.

    Attributes:
        host: the address that is listened on.
        port: its port; 0 for any that is free.
        spool: the folder for uploads, results and the list of jobs.
        models: the denoisers on offer, the first by default: shipped names, `self`, or files, which clients know by
            their names without the suffix.
        classifiers: the files of classifiers on offer, known likewise.
        engine: what the denoisers run on, as in `Denoiser.load`.
        token: what clients show as `Authorization: Bearer …`; None lets everybody in.
        max_bytes: the most of one image, and of any body but a form with several.
        max_batch_bytes: the most of a form with several images, all together.
        max_pixels: the most of one image, all its frames together.
        max_frames: the most pages or frames of one image.
        max_text: the most bytes of text and metadata in one image, unpacked.
        max_files: the most images of one job.
        max_waiting: the most images of all jobs that wait for their turn.
        time_limit: the most seconds that the work on one image may take.
        queue_length: the most images that wait for a worker.
        workers: the processes that denoise; each has the networks in memory.
        threads: those that each worker runs on; 0 shares the cores among the workers.
        memory_limit: the most bytes of memory that a worker may take.
        connections: the most clients at once.
        idle_timeout: the most seconds in which a client neither sends nor takes anything.
        body_timeout: the most seconds that `max_bytes` of a request's body may take to arrive.
        stop_timeout: the most seconds that what runs may take once the service is told to stop.
        job_expiry: the seconds for which a finished job is kept.
        disk_budget: the most bytes in the spool.
        allow_hosts: names by which a service on the loopback address may be asked for, besides its own.
        root_path: what a proxy cuts off the paths, such as /pellucid.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    spool: Path = field(default_factory=usual_spool)
    models: tuple[str, ...] = ("photo", "photo-fast", "document", "jpeg")
    classifiers: tuple[Path, ...] = ()
    engine: str = "auto"
    token: str | None = None
    max_bytes: int = 200 * MEGABYTE
    max_batch_bytes: int = 2 * GIGABYTE
    max_pixels: int = 100_000_000
    max_frames: int = 1000
    max_text: int = 4 * MEGABYTE
    max_files: int = 500
    max_waiting: int = 2000
    time_limit: float = 300.0
    queue_length: int = 32
    workers: int = 1
    threads: int = 0
    memory_limit: int = 3 * GIGABYTE
    connections: int = 200
    idle_timeout: float = 20.0
    body_timeout: float = 300.0
    stop_timeout: float = 60.0
    job_expiry: float = 86_400.0
    disk_budget: int = 10 * GIGABYTE
    allow_hosts: tuple[str, ...] = ()
    root_path: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be; UsageError names the option."""
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageError(f"--{name.replace('_', '-')} {value:g}: give a number from {least:g} to {most:g}")
        if self.max_batch_bytes < self.max_bytes:
            raise UsageError(
                f"--max-batch-bytes {self.max_batch_bytes}: give no less than --max-bytes, which is {self.max_bytes}"
            )
        if not self.models:
            raise UsageError("--model: name at least one denoiser, such as photo")
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise UsageError("--token: give printable ASCII characters")
        if " " in (self.token or ""):
            raise UsageError("--token: give it without spaces")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise UsageError(f"--root-path {self.root_path}: start it with a slash, and end it without, as /pellucid")
        for option, names in (("model", map(_name_of, self.models)), ("classifier", map(_name_of, self.classifiers))):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise UsageError(f"--{option}: two are called {twice[0]}: rename one")

    def check_memory(self) -> None:
        """Raise UsageError if several workers may take more memory than there is."""
        most, there = self.workers * self.memory_limit, memory()
        if self.workers > 1 and most > there:
            raise UsageError(
                f"--workers {self.workers}: they may take {most / GIGABYTE:.3g} GB, and there are "
                f"{there / GIGABYTE:.3g}: start fewer, or lower --memory-limit from {self.memory_limit / GIGABYTE:.3g}G"
            )

    @property
    def denoisers(self) -> dict[str, str]:
        """What each denoiser on offer is loaded by, a shipped name or a file, by the name that clients use."""
        return {_name_of(model): model for model in self.models}

    @property
    def readers(self) -> dict[str, Path]:
        """The file of each classifier on offer, by the name that clients use."""
        return {_name_of(path): path for path in self.classifiers}

    @property
    def threads_each(self) -> int:
        """How many threads each worker runs on."""
        return self.threads or max(1, cores() // self.workers)


def _name_of(model: str | Path) -> str:
    """Return what clients call a model: a file's name without folder and suffix, else what it is called."""
    from pellucid.weights import SUFFIXES  # not at the start of every command, which reads the defaults above

    path = Path(model)
    return path.stem if path.suffix in SUFFIXES else str(model)


_RANGES = (
    ("port", 0, 65_535),
    ("max_bytes", 1000, math.inf),
    ("max_batch_bytes", 1000, math.inf),
    ("max_pixels", 1, math.inf),
    ("max_frames", 1, 1_000_000),
    ("max_text", 0, math.inf),
    ("max_files", 1, 100_000),
    ("max_waiting", 1, 10_000_000),
    ("time_limit", 0.1, 86_400),
    ("queue_length", 0, 100_000),
    ("workers", 1, 256),
    ("threads", 0, 1024),
    ("memory_limit", LEAST_MEMORY, math.inf),
    ("connections", 1, 100_000),
    ("idle_timeout", 0.1, 3600),
    ("body_timeout", 0.1, 86_400),
    ("stop_timeout", 0, 86_400),
    ("job_expiry", 1, math.inf),
    ("disk_budget", 1000, math.inf),
)
