"""JSON and NumPy arrays in files: written atomically, never as pickles."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.utils.atomic_write import atomic_write

PICKLE_PREFIXES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def json_safe(value: Any) -> Any:
    """Return a value with NumPy arrays and tuples as lists, paths as text, and numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return json_safe(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, values: Any) -> None:
    """Write values as JSON; all numbers must be finite.

    Raises:
        PellucidError: if the file cannot be written.
        ValueError: if a number is not finite.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Return the values in a JSON file.

    Raises:
        PellucidError: if the file cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PellucidError(f"{path} cannot be read ({error}): delete it, and it is made again") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by their names as a compressed .npz file.

    Raises:
        PellucidError: if the file cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by their names, in the order in which they were written.

    Raises:
        PellucidError: if the file cannot be read, is damaged or has pickled objects.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a damaged archive can cause errors of any type
        raise PellucidError(f"{path} cannot be read ({error}): delete it, and it is made again") from error


def refuse_pickle(path: Path, content: bytes, remedy: str) -> None:
    """Raise PellucidError if a file is a pickle, since loading one can run any code.

    Args:
        path: of the file, for the error.
        content: at least its first four bytes.
        remedy: what the user can do, for the error.

    Raises:
        PellucidError: if the file starts like a pickle or like a zip archive, which torch writes.
    """
    if content.startswith(PICKLE_PREFIXES):
        raise PellucidError(f"{path} is a pickle, which is never loaded: {remedy}")
