"""Check `pellucid serve`: hostile files, mixed load, throughput, kill -9, its OpenAPI document, its page.

Everything runs on this machine, through the loopback address, against services that are started on free ports.
All parts take most of an hour; with --quick, each part takes a minute or two.

    .venv/bin/python benchmarks/service.py --json service.json
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from pellucid.errors import PellucidError
from photo_parts.tables import PartSkipped, Table
from service_parts import crash_recovery, hostile, load, openapi_check, page_load, throughput
from service_parts.service_process import Verdict

MAX_MEMORY = 2000  # MB
HEADINGS = {"what": "", "found": "", "bar": "", "": ""}


@dataclass(frozen=True)
class Size:
    """The extent of each part."""

    files: int = 2000
    minutes: float = 10
    images: int = 40
    rounds: int = 3
    kills: int = 10
    examples: int = 100
    loads: int = 5


QUICK = Size(files=60, minutes=0.75, images=4, rounds=1, kills=2, examples=3, loads=2)


def hostile_files(size: Size) -> list[Verdict]:
    """Denoise hostile files and return the counts of outcomes."""
    table = hostile.hostile(size.files)
    Console(width=200, stderr=True).print(table.to_rich(), *table.notes, sep="\n")
    total = dict(zip(table.formats, table.rows[-1], strict=True))
    counts = {name: total[name] for name in ("crashes", "hangs", "tracebacks", "unexpected output", "unstable")}
    memory = total["peak MiB"] * 2**20 / 1e6
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    found += f"; slowest {total['slowest s']:.1f} s, peak memory {memory:.0f} MB"
    bar = "0 crashes, 0 hangs over 30 s, 0 tracebacks, under 2 GB"
    return [Verdict(f"{total['files']} hostile files", found, bar, not any(counts.values()) and memory < MAX_MEMORY)]


PARTS: dict[str, Callable[[Size], list[Verdict]]] = {
    "hostile": hostile_files,
    "load": lambda size: load.measure(size.minutes),
    "throughput": lambda size: throughput.measure(size.images, size.rounds),
    "kill": lambda size: crash_recovery.measure(size.kills),
    "schemathesis": lambda size: openapi_check.measure(size.examples),
    "page": lambda size: page_load.measure(size.loads),
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a minute or two for each part")
    parser.add_argument("--minutes", type=float, metavar="N", help="of mixed load (default: 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to FILE as well")
    options = parser.parse_args(arguments)
    if options.minutes is not None and options.minutes <= 0:
        parser.error("--minutes has to be more than 0")
    return options


def measure(part: str, size: Size) -> list[Verdict]:
    """Return the verdicts of a part; one that cannot be measured fails."""
    try:
        return PARTS[part](size)
    except (PartSkipped, PellucidError, TimeoutError) as error:
        return [Verdict(part, f"not measured: {error}", "", False)]


def table_of(verdicts: list[Verdict]) -> Table:
    """Return the verdicts as a table."""
    rows = [(row.what, row.found, row.bar, "reached" if row.is_reached else "NOT REACHED") for row in verdicts]
    return Table("What the service must show", HEADINGS, rows)


def main(arguments: list[str] | None = None) -> int:
    """Measure part by part, print each when it is done and the table at the end; the status is 0 if all pass."""
    options = parse_arguments(arguments)
    size = QUICK if options.quick else Size()
    if options.minutes:
        size = Size(**asdict(size) | {"minutes": options.minutes})
    console, verdicts = Console(width=250), []
    for part in options.parts:
        found = measure(part, size)
        verdicts += found
        for row in found:
            console.print(f"{row.what}: {row.found}", markup=False, highlight=False)
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in verdicts], indent=2) + "\n", encoding="utf-8")
    console.print(table_of(verdicts).to_rich())
    return int(not all(row.is_reached for row in verdicts))


if __name__ == "__main__":
    sys.exit(main())
