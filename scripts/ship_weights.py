"""Put a trained network into the package: half-precision safetensors and ONNX, their sums and figures on its card.

    .venv/bin/python scripts/ship_weights.py photo runs/photo/best.safetensors --figures photos.json

The card, src/pellucid/weights/NAME.toml, is written by hand down to its tables [figures] and [sha256], which this
renews. Figures are the "card" table of what benchmarks/photos.py wrote with --json.
"""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

from pellucid import checkpoint
from pellucid.export import export
from pellucid.image import atomic_write

FOLDER = Path(__file__).parent.parent / "src" / "pellucid" / "weights"
TABLES = "[figures]"


def main() -> None:
    """Write NAME.safetensors, NAME.onnx and the tables of NAME.toml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what the network is called")
    parser.add_argument("checkpoint", type=Path, help="its best.safetensors")
    parser.add_argument("--figures", type=Path, help="what benchmarks/photos.py measured")
    options = parser.parse_args()
    card = FOLDER / f"{options.name}.toml"
    text, _, tables = card.read_text(encoding="utf-8").partition(TABLES)
    figures = _measured(options.figures, options.name) if options.figures else _kept(tables)
    files = _write(options.name, options.checkpoint)
    sums = [f'"{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files]
    with atomic_write(card) as temporary:
        temporary.write_text("\n".join([text + TABLES, *figures, "", "[sha256]", *sums, ""]), encoding="utf-8")
    for path in files:
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def _write(name: str, source: Path) -> list[Path]:
    """Write both files of a network and return their paths."""
    loaded = checkpoint.load(source)
    ((role, network),) = loaded.networks.items()
    paths = [FOLDER / f"{name}.onnx", FOLDER / f"{name}.safetensors"]
    export(network, paths[0], name, loaded.recipe.to_dict(), half=True)
    checkpoint.save(paths[1], dataclasses.replace(loaded, networks={role: network.half()}))
    return paths


def _measured(path: Path, name: str) -> list[str]:
    return [
        f"{json.dumps(what)} = {json.dumps(value)}"
        for what, value in json.loads(path.read_text())["card"][name].items()
    ]


def _kept(tables: str) -> list[str]:
    lines = tables.partition("[sha256]")[0].strip().splitlines()
    return [line for line in lines if line.strip()]


if __name__ == "__main__":
    main()
