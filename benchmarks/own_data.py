"""Train on one's own images with `pellucid train`: on pairs, on noisy images only, and from shipped weights.

Each part trains through the command line for the given minutes on a part of the data in PELLUCID_DATA, and is measured
on the rest: the trained network denoises whole files without a given sigma. All parts take about two and a half hours
on an otherwise idle machine; trained networks stay in --work and are not trained again.

    .venv/bin/python benchmarks/own_data.py --json own_data.json
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from own_parts import parts
from own_parts.training import Options
from pellucid.errors import PellucidError
from photo_parts.tables import PartSkipped, Table

PARTS: dict[str, Callable[[Options], list[Table]]] = {
    "documents": parts.documents,
    "microscopy": parts.microscopy,
    "photographs": parts.photographs,
    "camera": parts.camera,
    "pages": parts.pages,
    "shipped": parts.shipped,
    "ocr": parts.ocr,
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--work", type=Path, default=Path("runs/own-data"), metavar="DIR", help="for the trainings")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="times the minutes (default: 1)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N images of each set (default: all)")
    parser.add_argument("--reuse", action="store_true", help="only measure networks that are trained already")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    return parser.parse_args(arguments)


def main() -> None:
    """Train and measure part by part; print each when it is done, and write the results so far."""
    arguments = parse_arguments()
    options = Options(arguments.work, arguments.scale, arguments.limit, arguments.reuse)
    console = Console(width=160)
    record: dict[str, Any] = {}
    for part in arguments.parts:
        try:
            tables = PARTS[part](options)
        except (PartSkipped, PellucidError) as error:
            console.print(f"{part} skipped: {error}\n", markup=False, highlight=False)
            record[part] = f"skipped: {error}"
            continue
        for table in tables:
            console.print(table.to_rich())
            console.print(*(f"- {note}" for note in table.notes), "", sep="\n", markup=False, highlight=False)
        record[part] = [table.to_dict() for table in tables]
        if arguments.json:
            arguments.json.write_text(json.dumps({"parts": record}, indent=2, default=str) + "\n", encoding="utf-8")
    sys.exit(int(any(isinstance(found, str) for found in record.values())))


if __name__ == "__main__":
    main()
