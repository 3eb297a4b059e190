"""Codes of images as files: npz and csv with the names, npy without."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pellucid.errors import UsageError
from pellucid.utils.atomic_write import atomic_write

SUFFIXES = (".npz", ".csv", ".npy")


def check_target(path: Path, overwrite: bool) -> None:
    """Raise UsageError unless codes can be written to this file: its suffix is known, and it is new or may go."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f'cannot write codes to {path}: no format "{path.suffix}"; use {", ".join(SUFFIXES)}')
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already: name another file, or give --overwrite")


def write_codes(path: Path, names: Sequence[str], codes: np.ndarray) -> None:
    """Write codes (N, ...) atomically, in the format that the suffix names.

    `.npz` holds `names` and `codes`, `.npy` the codes alone, both in their own shape; `.csv` has a header and one row
    an image: its name, then the values of its code in a row. See `check_target`.

    Raises:
        PellucidError: if the file cannot be written.
    """
    with atomic_write(path) as temporary:
        kind = path.suffix.lower()
        if kind == ".npz":
            with temporary.open("wb") as file:
                np.savez_compressed(file, names=np.array(names), codes=codes)
        elif kind == ".npy":
            with temporary.open("wb") as file:
                np.save(file, codes)
        else:
            temporary.write_text(_as_csv(names, codes.reshape(len(codes), -1)), encoding="utf-8")


def _as_csv(names: Sequence[str], codes: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *(f"code{index}" for index in range(codes.shape[1]))])
    for name, code in zip(names, codes, strict=True):
        writer.writerow([name, *(f"{value:.7g}" for value in code)])
    return text.getvalue()
