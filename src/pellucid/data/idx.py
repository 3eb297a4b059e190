"""Datasets of four idx files, such as MNIST and its relatives."""

import contextlib
import gzip
import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_split
from pellucid.errors import PellucidError
from pellucid.utils.paths import data_roots

UINT8_CODE = 8
PREFIXES = {"train": "train", "test": "t10k"}
SUFFIXES = ("-images-idx3-ubyte", "-labels-idx1-ubyte")


def read_idx(path: Path, dimensions: int, remedy: str) -> np.ndarray:
    """Return the uint8 array in an idx file, gzip-compressed if its name ends in `.gz`.

    The format is LeCun's: two zero bytes, the type code 8 (unsigned byte), the number of dimensions, each dimension
    as a big-endian 32-bit count, then the values (http://yann.lecun.com/exdb/mnist).

    Raises:
        PellucidError: naming the file, the expected and the actual content, and `remedy`.
    """
    with _open(path, remedy) as file:
        shape, content = _read_shape(file, path, dimensions, remedy), file.read()
    if len(content) != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise PellucidError(f"{path}: expected {math.prod(shape)} values ({sizes}), found {len(content)}; {remedy}")
    return np.frombuffer(content, np.uint8).reshape(shape)


@contextlib.contextmanager
def _open(path: Path, remedy: str) -> Iterator[io.BufferedIOBase]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PellucidError(f"{path}: expected a whole gzip file, found: {error}; {remedy}") from error
    except OSError as error:
        raise PellucidError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from error


def _read_shape(file: io.BufferedIOBase, path: Path, dimensions: int, remedy: str) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    magic = bytes((0, 0, UINT8_CODE, dimensions))
    if header[:4] != magic or len(header) < 4 + 4 * dimensions:
        raise PellucidError(
            f"{path}: expected an idx file that starts with {magic.hex()}, {dimensions} dimension(s) of bytes, "
            f"found {header[:4].hex() or 'nothing'}; {remedy}"
        )
    return struct.unpack(f">{dimensions}I", header[4:])


@dataclass(frozen=True)
class IdxImages:
    """A dataset of four idx files in one folder, as they were published or unpacked."""

    name: ClassVar[str]
    folder: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    system_folders: ClassVar[tuple[Path, ...]] = ()

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that are searched, in their order."""
        return (*(root / self.folder for root in data_roots()), *self.system_folders)

    def available(self) -> bool:
        """Return whether all four files exist; nothing is read."""
        return all(self._files(split) for split in PREFIXES)

    def describe(self, split: str) -> DatasetInfo:
        """Return shape, number and classes of the images, from the header of their file.

        Raises:
            PellucidError: if there are no files, or the header is damaged.
        """
        (path, _), remedy = self._find(split), self._remedy()
        with _open(path, remedy) as file:
            count, height, width = _read_shape(file, path, 3, remedy)
        return DatasetInfo(1, height, width, count, self.classes)

    def load(self, split: str) -> ImageSet:
        """Read the `train` or `test` images, (N, 1, H, W), with their labels.

        Raises:
            PellucidError: naming the folders that were searched if there are no files, or the file that is damaged.
        """
        files, remedy = self._find(split), self._remedy()
        images, labels = read_idx(files[0], 3, remedy), read_idx(files[1], 1, remedy)
        if len(images) != len(labels):
            raise PellucidError(f"{files[1]}: expected {len(images)} labels, found {len(labels)}; {remedy}")
        if len(labels) and labels.max() >= len(self.classes):
            raise PellucidError(
                f"{files[1]}: expected labels under {len(self.classes)}, found {labels.max()}; {remedy}"
            )
        return ImageSet(images[:, None], labels.astype(np.int64), self.classes)

    def _remedy(self) -> str:
        return f"delete it and run `pellucid fetch {self.name}`"

    def _find(self, split: str) -> tuple[Path, Path]:
        check_split(split)
        files = self._files(split)
        if not files:
            folders = ", ".join(map(str, self.folders()))
            raise PellucidError(
                f"{self.name}: no {split} files in {folders}: run `pellucid fetch {self.name}`, or set PELLUCID_DATA "
                f"to the folder that holds {self.folder}/"
            )
        return files

    def _files(self, split: str) -> tuple[Path, Path] | None:
        """Return the files of images and labels of a split, from the first folder that has both."""
        for folder in self.folders():
            for ending in (".gz", ""):
                images, labels = (folder / f"{PREFIXES[split]}{suffix}{ending}" for suffix in SUFFIXES)
                if images.is_file() and labels.is_file():
                    return images, labels
        return None
