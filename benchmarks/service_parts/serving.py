"""The service under test: started as a user starts it, killed as a power cut does, and its memory read."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from photo_parts.tables import LeftOut

Found = TypeVar("Found")
ADDRESS = re.compile(r"http://[\d.]+:\d+")
START_LIMIT = 180.0


@dataclass(frozen=True)
class Verdict:
    """A row of the table of what must be shown: what was found, beside the bar, and whether it is reached."""

    what: str
    found: str
    bar: str
    is_reached: bool


@dataclass(frozen=True)
class Service:
    """A service that runs: where it answers, and its process."""

    address: str
    process: subprocess.Popen[bytes]
    spool: Path

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until its workers are gone too."""
        pids = family(self.process.pid)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not any(map(lives, pids[1:])), "workers outlive their service", 30)

    def memory(self) -> int:
        """Return the bytes of memory that it and its workers hold, what they share counted once."""
        return sum(map(_held, family(self.process.pid)))


@contextmanager
def served(spool: Path, *options: str) -> Iterator[Service]:
    """Start `pellucid serve` on a free port and yield it once it answers; it is stopped at the end.

    Raises:
        LeftOut: if it does not start.
    """
    command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--quiet", "--spool", str(spool), *options]
    log = spool.with_suffix(".log")
    with log.open("a") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            begun = log.stat().st_size

            def told() -> str | None:
                if process.poll() is not None:
                    raise LeftOut(f"pellucid serve ended: {log.read_text()[-500:]}")
                found = ADDRESS.search(log.read_text()[begun:])
                return found and found[0]

            yield Service(wait_for(told, "pellucid serve does not start", START_LIMIT), process, spool)
            if process.poll() is None:
                process.terminate()
                process.wait(120)
        finally:
            process.kill()


def wait_for(condition: Callable[[], Found | None], otherwise: str, seconds: float) -> Found:
    """Return what a condition comes to once that is true.

    Raises:
        TimeoutError: saying what it means that it never was.
    """
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError(otherwise)
        time.sleep(0.05)
    return found


def family(pid: int) -> list[int]:
    """Return a process and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(member for child in children for member in family(int(child)))]


def lives(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _held(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
