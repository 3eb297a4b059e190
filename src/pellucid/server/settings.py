"""The settings of the service: each is an option of `pellucid serve`."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.errors import UsageError
from pellucid.utils.system import num_cores, total_memory

MEGABYTE, GIGABYTE = 1_000_000, 1_000_000_000
MIN_MEMORY = 512 * MEGABYTE  # for the libraries, the networks and a small image


def default_spool() -> Path:
    """Return the default folder for uploads and results, after the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pellucid" / "spool"


@dataclass(frozen=True)
class Settings:
    """The settings of the service; the default limits suit a machine for a few people.

    Attributes:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        spool: the folder for uploads, results and the database of jobs.
        models: the denoisers, the first by default: shipped names, `self`, or files. Clients know a file by its name
            without suffix.
        classifiers: the files of classifiers, which clients know by their names without suffix.
        engine: of the denoisers, as in `Denoiser.load`.
        token: that clients send as `Authorization: Bearer …`; None admits all.
        max_bytes: the limit for one image, and for any body other than a form with several images.
        max_batch_bytes: the limit for a form with several images as a whole.
        max_pixels: the limit for one image, all frames together.
        max_frames: the limit for the pages or frames of one image.
        max_text: the limit for the bytes of text and metadata in one image, unpacked.
        max_files: the limit for the images of one job.
        max_waiting: the limit for the queued images of all jobs.
        time_limit: the limit for the seconds of work on one image.
        queue_length: the limit for the images that wait for a worker.
        workers: the number of worker processes, each with all networks in memory.
        threads: of each worker; 0 divides the cores among the workers.
        memory_limit: the limit for the bytes of memory of a worker.
        connections: the limit for the number of clients at once.
        idle_timeout: the limit for the seconds in which a client neither sends nor receives anything.
        body_timeout: the limit for the seconds in which `max_bytes` of a request's body arrive.
        stop_timeout: the limit for the seconds in which running work finishes when the service stops.
        job_expiry: the seconds for which a finished job is kept.
        disk_budget: the disk quota: the limit for the bytes in the spool.
        allow_hosts: further host names by which clients may reach a service on the loopback address.
        root_path: a prefix of paths that a proxy removes, such as /pellucid.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    spool: Path = field(default_factory=default_spool)
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
        """Check the values; UsageError names the option."""
        for name, minimum, maximum in _RANGES:
            value = getattr(self, name)
            if not minimum <= value <= maximum:
                raise UsageError(f"--{name.replace('_', '-')} {value:g}: give a number from {minimum:g} to {maximum:g}")
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
            raise UsageError(f"--root-path {self.root_path}: it starts with a slash and ends without one, as /pellucid")
        for option, names in (("model", map(_name_of, self.models)), ("classifier", map(_name_of, self.classifiers))):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise UsageError(f"--{option}: two are called {twice[0]}: rename one")

    def check_memory(self) -> None:
        """Raise UsageError if several workers together may use more memory than the machine has."""
        limit, available = self.workers * self.memory_limit, total_memory()
        if self.workers > 1 and limit > available:
            needed = f"they may take {limit / GIGABYTE:.3g} GB of the {available / GIGABYTE:.3g} GB of this machine"
            remedy = f"start fewer, or lower --memory-limit from {self.memory_limit / GIGABYTE:.3g}G"
            raise UsageError(f"--workers {self.workers}: {needed}: {remedy}")

    @property
    def denoisers(self) -> dict[str, str]:
        """The shipped name or file of each denoiser, by the name that clients use."""
        return {_name_of(model): model for model in self.models}

    @property
    def classifiers_by_name(self) -> dict[str, Path]:
        """The file of each classifier, by the name that clients use."""
        return {_name_of(path): path for path in self.classifiers}

    @property
    def threads_per_worker(self) -> int:
        """The number of threads of each worker."""
        return self.threads or max(1, num_cores() // self.workers)


def _name_of(model: str | Path) -> str:
    """Return the name that clients use for a model: a file's name without folder and suffix, or a shipped name."""
    from pellucid.weights.catalog import SUFFIXES  # slow to import, and every command imports this module

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
    ("memory_limit", MIN_MEMORY, math.inf),
    ("connections", 1, 100_000),
    ("idle_timeout", 0.1, 3600),
    ("body_timeout", 0.1, 86_400),
    ("stop_timeout", 0, 86_400),
    ("job_expiry", 1, math.inf),
    ("disk_budget", 1000, math.inf),
)
