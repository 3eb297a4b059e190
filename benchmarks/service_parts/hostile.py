"""Denoise hostile files by the command line: count crashes, hangs and tracebacks, and measure time and memory.

Child processes denoise the files of `hostile_files` one after the other; a watchdog ends one that hangs. Everything is
done twice, with newly allocated memory filled with another byte each time (glibc's MALLOC_PERTURB_), so that a result
that depends on it differs.

    .venv/bin/python benchmarks/service_parts/hostile.py 2000
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # as a program, its import path starts at its own folder
    sys.path[0] = str(Path(__file__).parents[1])

from rich.console import Console
from rich.progress import track

from hostile_files import generated
from photo_parts.tables import Table
from service_parts.hostile_child import CLEANED, REFUSED, TRACEBACK, UNEXPECTED

CHILD = Path(__file__).with_name("hostile_child.py")
FILLINGS = (85, 170)
HANG = 30.0
LOOK = 0.1
CRASH, HUNG = "crash", "hang"
MAX_PIXELS = 20_000_000
FORMATS = {"format": "", "files": "d", CLEANED: "d", REFUSED: "d", "crashes": "d", "hangs": "d", "tracebacks": "d"}
FORMATS |= {"unexpected output": "d", "unstable": "d", "slowest s": ".1f", "peak MiB": ".0f"}


@dataclass(frozen=True)
class RunResult:
    """The outcome for a file, the text that was printed, the SHA-256 of the result, seconds, and peak memory in MiB."""

    ended: str
    output: str = ""
    sha256: str | None = None
    seconds: float = 0.0
    memory: float = 0.0


def hostile(
    count: int = 2000, seed: int = 0, model: str = "photo-fast", max_pixels: int = MAX_PIXELS, hang: float = HANG
) -> Table:
    """Denoise a number of hostile files twice, and return a table of the outcomes by format.

    Args:
        count: of the files.
        seed: of the files.
        model: the network.
        max_pixels: the limit that is given to the command line.
        hang: the seconds after which a file counts as one that hangs.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        for file in track(generated(count, seed), "hostile files", count, console=Console(stderr=True), transient=True):
            (folder / file.name).write_bytes(file.data)
        rounds = [
            _ended(folder, Path(place) / str(filling), model, max_pixels, hang, filling, count) for filling in FILLINGS
        ]
    return table(rounds, seed, model, max_pixels)


def _ended(
    folder: Path, out: Path, model: str, max_pixels: int, hang: float, filling: int, count: int
) -> dict[str, RunResult]:
    """Return how each file ended, by its name; a new child goes on behind a file at which one ended."""
    out.mkdir()
    log = out.with_suffix(".log")
    log.touch()
    found: dict[str, RunResult] = {}
    environment = os.environ | {"MALLOC_PERTURB_": str(filling), "OMP_NUM_THREADS": "1"}
    names = sorted(path.name for path in folder.iterdir())
    with Console(stderr=True).status(""):
        while len(found) < len(names):
            command = [sys.executable, CHILD, folder, out, log, str(len(found)), model, str(max_pixels)]
            child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            hung = _watched(child, log, hang)
            found |= _read(log)
            if len(found) < len(names):
                word = HUNG if hung else CRASH
                found[names[len(found)]] = RunResult(
                    word, f"exit status {child.returncode}", seconds=hang if hung else 0
                )
    return found


def _watched(child: subprocess.Popen, log: Path, hang: float) -> bool:
    """Wait until a child ends, or end it if its log has not grown for too long; return whether that was so."""
    size, since = -1, time.monotonic()
    while child.poll() is None:
        time.sleep(LOOK)
        if log.stat().st_size != size:
            size, since = log.stat().st_size, time.monotonic()
        elif time.monotonic() - since > hang:
            child.kill()
            child.wait()
            return True
    return False


def _read(log: Path) -> dict[str, RunResult]:
    records = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return {record.pop("file"): RunResult(**record) for record in records if "ended" in record}


def table(rounds: list[dict[str, RunResult]], seed: int, model: str, max_pixels: int) -> Table:
    """Return a table of the outcomes of two rounds, with a note on each bad one."""
    kinds = sorted({_kind(name) for name in rounds[0]})
    rows = [_row(kind, [{name: of[name] for name in of if _kind(name) == kind} for of in rounds]) for kind in kinds]
    notes = [
        f"seed {seed}, {model}, --max-pixels {max_pixels}, each file twice, with newly allocated memory filled with "
        f"{' and '.join(map(str, FILLINGS))}; the worse round counts",
        "cleaned: exit status 0 and an image that can be read; refused: 1, one line, nothing written; unexpected "
        "output: of libraries, or a result that cannot be read; unstable: two different results",
        *_bad(rounds),
    ]
    return Table(f"{len(rounds[0])} hostile files", FORMATS, [*rows, _row("all", rounds)], notes)


def _kind(name: str) -> str:
    """Return the format in a name such as 00017-damaged-png-palette.png."""
    return name.split("-")[2].partition(".")[0]


def _row(title: str, rounds: list[dict[str, RunResult]]) -> tuple:
    first = rounds[0]
    counts = [
        max(sum(one.ended == word for one in of.values()) for of in rounds)
        for word in (CRASH, HUNG, TRACEBACK, UNEXPECTED)
    ]
    well = [sum(one.ended == word for one in first.values()) for word in (CLEANED, REFUSED)]
    unstable = len(list(_unstable(rounds)))
    every = [one for of in rounds for one in of.values()]
    return (
        title,
        len(first),
        *well,
        *counts,
        unstable,
        max(one.seconds for one in every),
        max(one.memory for one in every),
    )


def _unstable(rounds: list[dict[str, RunResult]]) -> Iterator[str]:
    """Yield the names of files with different outcomes or results."""
    first, second = rounds
    for name, one in first.items():
        if (one.ended, one.sha256) != (second[name].ended, second[name].sha256):
            yield name


def _bad(rounds: list[dict[str, RunResult]]) -> list[str]:
    """Return a line for each file with a bad outcome."""
    unstable = [f"{name}: unstable" for name in _unstable(rounds)]
    return unstable + [
        f"{name}: {one.ended}: {' '.join(one.output.split())[:300]}"
        for of in rounds
        for name, one in of.items()
        if one.ended not in (CLEANED, REFUSED)
    ]


def main() -> None:
    """Print the table for a number of files."""
    found = hostile(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    console = Console(width=200)
    console.print(found.to_rich())
    console.print(*(f"- {note}" for note in found.notes), sep="\n", markup=False, highlight=False)


if __name__ == "__main__":
    main()
