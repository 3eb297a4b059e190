import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Writer = Callable[..., Path]


@pytest.fixture(autouse=True)
def data_root(monkeypatch, tmp_path) -> Path:
    """An empty PELLUCID_DATA, and an empty cache."""
    root = tmp_path / "data"
    monkeypatch.setenv("PELLUCID_DATA", str(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def idx_bytes(values: np.ndarray) -> bytes:
    """Return an idx file of bytes."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def write_idx() -> Writer:
    """A function that writes the four idx files of a tiny dataset into a folder."""

    def write(folder: Path, ending: str = ".gz", counts: tuple[int, int] = (5, 3)) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for prefix, count in zip(("train", "t10k"), counts, strict=True):
            pixels = np.random.default_rng(count).integers(0, 256, (count, 4, 6), np.uint8)
            labels = (np.arange(count) % 10).astype(np.uint8)
            for suffix, values in (("images-idx3", pixels), ("labels-idx1", labels)):
                content = idx_bytes(values)
                path = folder / f"{prefix}-{suffix}-ubyte{ending}"
                path.write_bytes(gzip.compress(content) if ending else content)
        return folder

    return write
