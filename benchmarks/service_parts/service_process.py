"""The service under test: start it by the command line, kill it, and measure its memory."""

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

from photo_parts.tables import PartSkipped

Found = TypeVar("Found")
ADDRESS = re.compile(r"http://[\d.]+:\d+")
START_LIMIT = 180.0


@dataclass(frozen=True)
class Verdict:
    """A row of the table of results: the measurement, the required value, and whether it is reached."""

    what: str
    found: str
    bar: str
    is_reached: bool


@dataclass(frozen=True)
class Service:
    """A running service: its address, its process and its spool."""

    address: str
    process: subprocess.Popen[bytes]
    spool: Path

    def kill(self) -> None:
        """Send SIGKILL, and wait until its workers have ended too."""
        pids = process_tree(self.process.pid)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not any(map(is_alive, pids[1:])), "workers still run after their service was killed", 30)

    def memory(self) -> int:
        """Return the bytes of memory of it and its workers; shared memory counts once."""
        return sum(map(_memory, process_tree(self.process.pid)))


@contextmanager
def run_service(spool: Path, *options: str) -> Iterator[Service]:
    """Start `pellucid serve` on a free port and yield it once it answers; it is stopped at the end.

    Raises:
        PartSkipped: if it does not start.
    """
    command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--quiet", "--spool", str(spool), *options]
    log = spool.with_suffix(".log")
    with log.open("a") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            old_size = log.stat().st_size

            def find_address() -> str | None:
                if process.poll() is not None:
                    raise PartSkipped(f"pellucid serve ended: {log.read_text()[-500:]}")
                found = ADDRESS.search(log.read_text()[old_size:])
                return found and found[0]

            yield Service(wait_for(find_address, "pellucid serve does not start", START_LIMIT), process, spool)
            if process.poll() is None:
                process.terminate()
                process.wait(120)
        finally:
            process.kill()


def wait_for(condition: Callable[[], Found | None], otherwise: str, seconds: float) -> Found:
    """Call a function until its result is true; return that.

    Raises:
        TimeoutError: with the text `otherwise`, if it is not true in time.
    """
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError(otherwise)
        time.sleep(0.05)
    return found


def process_tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(member for child in children for member in process_tree(int(child)))]


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _memory(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
