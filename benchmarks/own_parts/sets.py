"""The data sets and how each is split, so that no page, field or scene lies on both sides."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from photo_parts import protocol

EVERY = 3


class Pair(NamedTuple):
    """Two files of one scene, and the group that must lie on one side of the split."""

    noisy: Path
    clean: Path
    group: str


def documents() -> tuple[list[Pair], list[Pair]]:
    """Return the scans to train on, and those of every third clean page, pages sorted by their SHA-256."""
    return _split([pair._replace(group=sha256(pair.clean.read_bytes()).hexdigest()) for pair in _pairs("documents")])


def microscopy() -> tuple[list[Pair], list[Pair]]:
    """Return the micrographs to train on, and those of every third field."""
    return _split([pair._replace(group=pair.noisy.stem.split("_")[0]) for pair in _pairs("microscopy")])


def camera() -> tuple[list[Pair], list[Pair]]:
    """Return the photographs to train on, and those of every third object: the second-last word of the name."""
    return _split(
        [pair._replace(group=[word for word in pair.noisy.stem.split("_") if word][-2]) for pair in _pairs("camera")]
    )


def noisy_photographs(sigma: float, folder: Path) -> Path:
    """Return a folder of the BSDS photographs in gray, each with noise written once, as float TIFF without clipping."""
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(protocol.files(protocol.folder("train-photos", "bsds432"))):
        target = folder / f"{path.stem}.tif"
        if not target.exists():
            tifffile.imwrite(target, protocol.noisy(protocol.read(path, 1), sigma, 10_000 + index))
    return folder


def read(path: Path) -> np.ndarray:
    """Return a file's pixels, uint8, (H, W) or (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image)


def _pairs(name: str) -> list[Pair]:
    noisy = protocol.files(protocol.folder(name, "noisy"))
    clean = protocol.folder(name, "clean")
    return [Pair(path, clean / path.name, "") for path in noisy]


def _split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    held_out = set(sorted({pair.group for pair in pairs})[::EVERY])
    return [pair for pair in pairs if pair.group not in held_out], [pair for pair in pairs if pair.group in held_out]
