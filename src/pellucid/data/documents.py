"""Pairs of stained scans and their clean pages (NoisyOffice), and rendered pages for synthetic noise."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_fraction, check_minima, check_split
from pellucid.data.folder import convert_channels, to_uint8
from pellucid.data.pages import Pages
from pellucid.errors import PellucidError
from pellucid.image import list_images, read_image
from pellucid.utils.paths import data_missing, find_data

NAME = "documents"
SPLITS = ("train", "validation", "test")
# Every third clean page is for tests, and every eighth of the others for validation.
TEST_INTERVAL, VALIDATION_INTERVAL = 3, 8
VALIDATION_DIVISOR = 8


@dataclass(frozen=True)
class Documents:
    """Square patches at random positions of the scans in `documents/noisy` and `documents/clean`, of the same names.

    Several scans have the same clean page. All of them lie in one split: clean pages are sorted by the SHA-256 of
    their files, and the first and every third after it are for tests alone.

    Attributes:
        patch: the side of a patch in pixels.
        num_patches: for training; validation and tests have an eighth of it each.
        num_rendered: how many patches of rendered pages (`pellucid.data.pages`) are added for training; these have no
            noisy images.
        color: the fraction of rendered pages with colors.
        seed: of all randomness.
    """

    has_validation: ClassVar[bool] = True

    patch: int = 128
    num_patches: int = 4000
    num_rendered: int = 0
    color: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        check_minima(self, {"patch": 8, "num_patches": 1, "num_rendered": 0})
        check_fraction("color", self.color)

    def available(self) -> bool:
        """Return whether the folder exists."""
        return find_data(f"{NAME}/clean") is not None

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape and the number of the patches; nothing is read.

        Raises:
            PellucidError: if the folder is missing.
        """
        check_split(split, SPLITS)
        self._folder()
        return DatasetInfo(3, self.patch, self.patch, sum(self._counts(split)))

    def load(self, split: str) -> ImageSet:
        """Read patches (N, 3, patch, patch) of the `train`, `validation` or `test` pages with their noisy images.

        Raises:
            PellucidError: if the folder is missing, or a file has no partner of its size or cannot be used, by name.
        """
        check_split(split, SPLITS)
        pairs = self._pairs(split)
        rng = np.random.default_rng((self.seed, SPLITS.index(split)))
        count, num_rendered = self._counts(split)
        clean, noisy = (np.zeros((count + num_rendered, 3, self.patch, self.patch), np.uint8) for _ in range(2))
        areas = np.array([page.size for page, _ in pairs])
        for index, number in enumerate(rng.choice(len(pairs), count, p=areas / areas.sum())):
            height, width = pairs[number][0].shape[1:]
            row, column = rng.integers(0, (height - self.patch + 1, width - self.patch + 1))
            window = (slice(None), slice(row, row + self.patch), slice(column, column + self.patch))
            clean[index], noisy[index] = (page[window] for page in pairs[number])
        if not self.num_rendered:
            return ImageSet(clean, noisy=noisy)
        if num_rendered:
            rendered = Pages(num_rendered, self.patch, self.color, self.seed, test_fraction=0)
            clean[count:] = rendered.load("train").images
        return ImageSet(clean, noisy=noisy, has_noisy=np.arange(len(clean)) < count)

    def _counts(self, split: str) -> tuple[int, int]:
        """Return the number of patches of scans and of rendered pages."""
        if split == "train":
            return self.num_patches, self.num_rendered
        return max(1, self.num_patches // VALIDATION_DIVISOR), 0

    def _pairs(self, split: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the clean and the noisy page, each (3, H, W), of every scan in a split."""
        folder = self._folder()
        paths = list_images(folder / "clean")
        digests = [sha256(path.read_bytes()).hexdigest() for path in paths]
        ordered = sorted(set(digests))
        others = [digest for number, digest in enumerate(ordered) if number % TEST_INTERVAL]
        parts = {"test": set(ordered[::TEST_INTERVAL]), "validation": set(others[::VALIDATION_INTERVAL])}
        parts["train"] = set(others) - parts["validation"]
        chosen = [path for path, digest in zip(paths, digests, strict=True) if digest in parts[split]]
        if not chosen:
            raise PellucidError(f"{folder} has {len(ordered)} clean pages, too few for the {split} split: add pages")
        return [self._pair(path, folder / "noisy" / path.name) for path in chosen]

    def _pair(self, clean: Path, noisy: Path) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._read(clean), self._read(noisy)
        if first.shape != second.shape:
            raise PellucidError(f"{noisy} and {clean} differ in size: crop them alike, or remove them")
        if min(first.shape[1:]) < self.patch:
            raise PellucidError(
                f"{clean} is smaller than the patch of {self.patch}: set patch to {min(first.shape[1:])}"
            )
        return first, second

    def _read(self, path: Path) -> np.ndarray:
        pixels = to_uint8(read_image(path, max_frames=1).pixels)
        return convert_channels(pixels if pixels.ndim == 3 else pixels[..., None], 3, path).transpose(2, 0, 1)

    def _folder(self) -> Path:
        clean = find_data(f"{NAME}/clean")
        if clean is None:
            raise data_missing(NAME, NAME, "the folders noisy and clean")
        return clean.parent
