"""Measure the start-up time and memory of Pellucid, compared with bare Python and `import torch`.

The commands run in interleaved rounds, so that other load on the machine affects all of them.
Run it with the interpreter that Pellucid is installed for: `.venv/bin/python benchmarks/startup.py`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import pellucid": ["-c", "import pellucid"],
    "pellucid --help": ["-m", "pellucid", "--help"],
    "pellucid list noise": ["-m", "pellucid", "list", "noise"],
    "import torch": ["-c", "import torch"],
}

# A child's peak memory starts at that of the process that spawned it, so a minimal Python process spawns it.
LAUNCHER = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - started, usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Run:
    """One start: wall-clock seconds, and the peak resident memory in MiB."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Figures:
    """The results of one command, in milliseconds and MiB.

    Attributes:
        over_bare: the median of the differences from bare Python in the same round.
    """

    command: str
    median: float
    over_bare: float
    fastest: float
    slowest: float
    memory: float


def start(arguments: list[str]) -> Run:
    """Run Python once with these arguments; exit with its error output if it fails."""
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, sys.executable, *arguments]
    # PYTHONDONTWRITEBYTECODE would make every start compile Pellucid again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True)
    if process.returncode:
        sys.exit(f"python {' '.join(arguments)} ended with status {process.returncode}:\n{process.stderr}")
    seconds, memory = process.stderr.split()[-2:]
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return Run(float(seconds), int(memory) / unit)


def measure(rounds: int) -> list[Figures]:
    """Start every command once per round, after one warm-up round."""
    runs: dict[str, list[Run]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            run = start(arguments)
            if number:
                runs[name].append(run)
    bare = runs["python -c pass"]
    return [
        Figures(
            command=name,
            median=1e3 * statistics.median(run.seconds for run in of_command),
            over_bare=1e3 * statistics.median(a.seconds - b.seconds for a, b in zip(of_command, bare, strict=True)),
            fastest=1e3 * min(run.seconds for run in of_command),
            slowest=1e3 * max(run.seconds for run in of_command),
            memory=statistics.median(run.memory for run in of_command),
        )
        for name, of_command in runs.items()
    ]


def table(figures: list[Figures], rounds: int) -> Table:
    """Return the figures as a table."""
    result = Table(title=f"Start-up, median of {rounds} interleaved starts")
    result.add_column("command")
    for heading in ("ms", "over bare", "min to max", "peak MiB"):
        result.add_column(heading, justify="right")
    for row in figures:
        spread = f"{row.fastest:.0f} to {row.slowest:.0f}"
        result.add_row(row.command, f"{row.median:.1f}", f"{row.over_bare:+.1f}", spread, f"{row.memory:.0f}")
    return result


def main() -> None:
    """Measure, print the table, and write the figures as JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="how often each command is started (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    figures = measure(arguments.rounds)
    Console().print(table(figures, arguments.rounds))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in figures], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
