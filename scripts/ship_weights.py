"""Put a trained network into the package: half-precision safetensors and ONNX, their sums and figures on its card.

    .venv/bin/python scripts/ship_weights.py photo runs/photo/best.safetensors
    .venv/bin/python scripts/ship_weights.py photo --figures photos.json

The card, src/pellucid/weights/NAME.toml, is written by hand down to its tables [figures] and [sha256], which this
renews: sums with a checkpoint, figures with what benchmarks/photos.py or own_data.py wrote with --json.
"""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

from pellucid import checkpoint
from pellucid.engines.onnx_export import export
from pellucid.utils.atomic_write import atomic_write

FOLDER = Path(__file__).parent.parent / "src" / "pellucid" / "weights"
TABLES = "[figures]"


def main() -> None:
    """Write NAME.safetensors, NAME.onnx and the tables of NAME.toml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what the network is called")
    parser.add_argument("checkpoint", type=Path, nargs="?", help="its best.safetensors; by default as it is shipped")
    parser.add_argument("--figures", type=Path, help="what a benchmark measured")
    options = parser.parse_args()
    card = FOLDER / f"{options.name}.toml"
    text, _, tables = card.read_text(encoding="utf-8").partition(TABLES)
    figures = _measured(options.figures, options.name) if options.figures else _kept(tables)
    files = [FOLDER / f"{options.name}.{kind}" for kind in ("onnx", "safetensors")]
    if options.checkpoint:
        _write(options.name, options.checkpoint, *files)
    sums = [f'"{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files]
    with atomic_write(card) as temporary:
        temporary.write_text("\n".join([text + TABLES, *figures, "", "[sha256]", *sums, ""]), encoding="utf-8")
    for path in files:
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def _write(name: str, source: Path, exported: Path, stored: Path) -> None:
    """Write both files of a network."""
    loaded = checkpoint.load(source)
    ((role, network),) = loaded.networks.items()
    export(network, exported, name, loaded.recipe.to_dict(), half=True)
    checkpoint.save(stored, dataclasses.replace(loaded, networks={role: network.half()}))


def _measured(path: Path, name: str) -> list[str]:
    """Return the lines of all rows about one network."""
    lines = []
    for tables in json.loads(path.read_text(encoding="utf-8"))["parts"].values():
        for table in tables if isinstance(tables, list) else []:
            for row in table["rows"]:
                (_, title), *values = row.items()
                if title == name or str(title).startswith(f"{name}, "):
                    what = f"{table['title']}: {title}"
                    figures = [(heading, value) for heading, value in values if value not in (None, "")]
                    shown = ", ".join(f"{heading} {_briefly(value)}" for heading, value in figures)
                    lines.append(f"{json.dumps(what)} = {json.dumps(shown)}")
    return lines


def _briefly(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _kept(tables: str) -> list[str]:
    lines = tables.partition("[sha256]")[0].strip().splitlines()
    return [line for line in lines if line.strip()]


if __name__ == "__main__":
    main()
