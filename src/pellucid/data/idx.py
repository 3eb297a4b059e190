"""The idx files of MNIST and its relatives: reading them, and the dataset that four of them make."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.image_set import Images, check_split
from pellucid.errors import PellucidError
from pellucid.utils.paths import roots

UINT8_CODE = 8
PREFIXES = {"train": "train", "test": "t10k"}
SUFFIXES = ("-images-idx3-ubyte", "-labels-idx1-ubyte")


def read_idx(path: Path, dimensions: int, remedy: str) -> np.ndarray:
    """Return the uint8 array in an idx file, gzip-compressed if its name ends in `.gz`.

    The format is LeCun's: two zero bytes, the type code 8 (unsigned byte), the number of dimensions, each dimension
    as a big-endian 32-bit count, then the values (http://yann.lecun.com/exdb/mnist).

    Raises:
        PellucidError: naming the file, what was expected, what was found, and `remedy`.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PellucidError(f"{path}: expected a whole gzip file, found: {error}; {remedy}") from error
    except OSError as error:
        raise PellucidError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from error
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, UINT8_CODE, dimensions))
    if content[:4] != magic or len(content) < header:
        raise PellucidError(
            f"{path}: expected an idx file that starts with {magic.hex()}, {dimensions} dimension(s) of bytes, "
            f"found {content[:4].hex() or 'nothing'}; {remedy}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise PellucidError(
            f"{path}: expected {math.prod(shape)} values ({sizes}), found {len(content) - header}; {remedy}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


@dataclass(frozen=True)
class IdxImages:
    """A dataset of four idx files in one folder, as they were published or unpacked."""

    name: ClassVar[str]
    folder: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    system_folders: ClassVar[tuple[Path, ...]] = ()

    def places(self) -> tuple[Path, ...]:
        """Return the folders that are looked at, first to last."""
        return (*(root / self.folder for root in roots()), *self.system_folders)

    def available(self) -> bool:
        """Return whether all four files are at hand; nothing is read."""
        return all(self._files(split) for split in PREFIXES)

    def load(self, split: str) -> Images:
        """Read the `train` or `test` images, (N, 1, H, W), with their labels.

        Raises:
            PellucidError: naming the places looked at if there are no files, or the file that is damaged.
        """
        check_split(split)
        files = self._files(split)
        if not files:
            looked = ", ".join(map(str, self.places()))
            raise PellucidError(
                f"{self.name}: no {split} files in {looked}: run `pellucid fetch {self.name}`, or set PELLUCID_DATA "
                f"to the folder that holds {self.folder}/"
            )
        remedy = f"delete it and run `pellucid fetch {self.name}`"
        images, labels = read_idx(files[0], 3, remedy), read_idx(files[1], 1, remedy)
        if len(images) != len(labels):
            raise PellucidError(f"{files[1]}: expected {len(images)} labels, found {len(labels)}; {remedy}")
        if len(labels) and labels.max() >= len(self.classes):
            raise PellucidError(
                f"{files[1]}: expected labels under {len(self.classes)}, found {labels.max()}; {remedy}"
            )
        return Images(images[:, None], labels.astype(np.int64), self.classes)

    def _files(self, split: str) -> tuple[Path, Path] | None:
        """Return the images' and the labels' file of a split, from the first place that has both."""
        for place in self.places():
            for ending in (".gz", ""):
                images, labels = (place / f"{PREFIXES[split]}{suffix}{ending}" for suffix in SUFFIXES)
                if images.is_file() and labels.is_file():
                    return images, labels
        return None
