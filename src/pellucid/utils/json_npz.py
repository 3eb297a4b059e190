"""Figures and pictures on disk: JSON that any reader takes, and arrays that are never unpickled; written atomically."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.utils.atomic_write import atomic_write


def write_json(path: Path, values: Any) -> None:
    """Write plain values as JSON; the numbers in them must be finite."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        PellucidError: naming the file, if it is not JSON or cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PellucidError(f"{path} cannot be read ({error}): delete it, and it is made again") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as a compressed .npz file."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote, in the order in which it was written.

    Raises:
        PellucidError: naming the file, if it is damaged or cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise PellucidError(f"{path} cannot be read ({error}): delete it, and it is made again") from error
