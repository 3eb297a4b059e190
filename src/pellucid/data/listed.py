"""Patches of a user's own images, named by a list of files, in their own bit depth."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_minima, check_split
from pellucid.data.files_json import Entry, FileList, Split, read_file_list
from pellucid.data.folder import convert_channels
from pellucid.errors import PellucidError
from pellucid.image import read_image

SPLITS: dict[str, Split] = {"train": "train", "validation": "validation", "test": "validation"}
CANDIDATES_PER_AREA = 16  # for each patch that would fit side by side
VALIDATION_DIVISOR = 8
MIN_TEXTURE = 0.002


@dataclass(frozen=True)
class Listed:
    """Square patches at random positions of the files of a list and of the pages of stacks, in proportion to area.

    One entry of the list is read at a time, and only patches that may still be chosen are kept. Samples keep their bit
    depth and range. Patches with values that are not finite are skipped.

    Attributes:
        path: the list of files, a JSON file (`pellucid.data.files_json`).
        patch: the side of a patch in pixels.
        num_patches: for training, fewer where the files hold fewer; an eighth of it is the maximum for validation.
        texture: the exponent of the texture (mean absolute gradient) in a patch's weight; 0 gives all the same weight.
        seed: of all randomness.
    """

    has_validation: ClassVar[bool] = True

    path: str
    patch: int = 128
    num_patches: int = 4000
    texture: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        check_minima(self, {"patch": 8, "num_patches": 1, "texture": 0})

    def available(self) -> bool:
        """Return whether the list exists."""
        return self._path.is_file()

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape of the patches; only the list is read."""
        check_split(split, tuple(SPLITS))
        return DatasetInfo(read_file_list(self._path).channels, self.patch, self.patch)

    def load(self, split: str) -> ImageSet:
        """Read the patches of the `train` or `validation` files, (N, channels, patch, patch); `test` is `validation`.

        Of pairs, `images` are the clean patches and `noisy` the noisy ones; of captures the second and the first.

        Raises:
            UsageError: for an unknown split, or if the file is no list of files.
            PellucidError: if the list is missing or has no file of the split, or a file cannot be used, by name.
        """
        check_split(split, tuple(SPLITS))
        files, part = read_file_list(self._path), SPLITS[split]
        entries = [entry for entry in files.entries if entry.split == part]
        if not entries:
            raise PellucidError(f'{self._path} names no file with split = "{part}": give the {part} split one or more')
        count = self.num_patches if part == "train" else max(1, self.num_patches // VALIDATION_DIVISOR)
        rng = np.random.default_rng((self.seed, part == "validation"))
        sampler = PatchSampler((count, files.channels, self.patch, self.patch), files)
        for entry in entries:
            for pages in zip(*self._read_stacks(entry, files), strict=True):
                self._add_patches(sampler, entry, pages, rng)
        if not len(sampler):
            raise PellucidError(f"{self._path}: no {part} file holds a patch of finite values: use other files")
        return sampler.images()

    @property
    def _path(self) -> Path:
        return Path(self.path).expanduser()

    def _read_stacks(self, entry: Entry, files: FileList) -> list[np.ndarray]:
        """Return the training target of an entry and its noisy image if there is one, each (N, H, W, C)."""
        names = {
            "pairs": (entry.clean, entry.noisy),
            "clean": (entry.clean,),
            "noisy": (entry.noisy,),
            "captures": (entry.second_capture, entry.noisy),
        }[files.kind]
        stacks = [self._read(Path(name or ""), files) for name in names]
        first, last = stacks[0].shape[:3], stacks[-1].shape[:3]
        if first != last:
            sizes = [f"{pages} page(s) of {width}x{height}" for pages, height, width in (first, last)]
            raise PellucidError(
                f"{names[0]} has {sizes[0]} and {names[-1]} {sizes[1]}, but they belong together: crop them alike, or "
                f"remove them from {self._path}"
            )
        return stacks

    def _read(self, path: Path, files: FileList) -> np.ndarray:
        """Return a file as (N, H, W, C) with the channels of the list."""
        try:
            image = read_image(path)
        except PellucidError as error:
            raise PellucidError(
                f"{error}; or start train on the folders again, which leaves out files that it cannot use"
            ) from error
        pixels = image.pixels if image.channel_axis else image.pixels[..., None]
        if pixels.dtype != files.dtype:
            raise PellucidError(
                f"{path} holds {pixels.dtype} samples, {self._path} is of {files.dtype}: remove it from the list"
            )
        images = convert_channels(pixels if image.is_stack else pixels[None], files.channels, path)
        height, width = images.shape[1:3]
        if min(height, width) < self.patch:
            raise PellucidError(
                f"{path} is {width}x{height}, smaller than the patch of {self.patch}: set data.patch to "
                f"{min(height, width)} or less, or remove the file from {self._path}"
            )
        return images

    def _add_patches(
        self, sampler: "PatchSampler", entry: Entry, pages: tuple[np.ndarray, ...], rng: np.random.Generator
    ) -> None:
        """Add patches at random positions of one page, (H, W, C), and of its noisy image if there is one."""
        for row, column in self._positions(pages[0].shape[0], pages[0].shape[1], rng):
            patches = [page[row : row + self.patch, column : column + self.patch] for page in pages]
            sample = rng.exponential()
            if patches[0].dtype.kind != "f" or all(np.isfinite(patch).all() for patch in patches):
                sampler.add(sample / self._weight(patches[0], sampler.files.data_range), patches, entry)

    def _positions(self, height: int, width: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Yield the (row, column) of different candidates, their number in proportion to the area."""
        rows, columns = height - self.patch + 1, width - self.patch + 1
        count = min(rows * columns, round(CANDIDATES_PER_AREA * height * width / self.patch**2))
        for index in rng.choice(rows * columns, count, replace=False, shuffle=False).tolist():
            yield divmod(index, columns)

    def _weight(self, patch: np.ndarray, data_range: float) -> float:
        """Return the weight of a patch (H, W, C), to which its probability is proportional."""
        if not self.texture:
            return 1.0
        gray = patch.mean(axis=-1, dtype=np.float32) / data_range
        gradient = np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()
        return float(gradient + MIN_TEXTURE) ** self.texture


class PatchSampler:
    """The patches with the lowest sort keys so far: a weighted sample without replacement, taken in one pass.

    A sort key is exponentially distributed, divided by the weight of the patch (Efraimidis and Spirakis, 2006).
    """

    def __init__(self, shape: tuple[int, int, int, int], files: FileList) -> None:
        """Allocate memory for patches of a shape (N, C, H, W), and for their noisy ones where `files` have them."""
        self.files = files
        self._arrays = [np.empty(shape, files.dtype) for _ in range(1 + (files.kind in ("pairs", "captures")))]
        self._heap: list[tuple[float, int]] = []  # (-sort_key, index), the greatest sort key first
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self._heap)

    def add(self, sort_key: float, patches: list[np.ndarray], entry: Entry) -> None:
        """Keep a patch, (H, W, C) once or twice, if there is space or another has a greater sort key."""
        index = len(self)
        if index < len(self._arrays[0]):
            heapq.heappush(self._heap, (-sort_key, index))
            self._entries.append(entry)
        elif -sort_key > self._heap[0][0]:
            index = self._heap[0][1]
            heapq.heapreplace(self._heap, (-sort_key, index))
            self._entries[index] = entry
        else:
            return
        for array, patch in zip(self._arrays, patches, strict=True):
            array[index] = patch.transpose(2, 0, 1)

    def images(self) -> ImageSet:
        """Return the patches in the order of their sort keys, which is random."""
        order = [index for _, index in sorted(self._heap, reverse=True)]
        for number, array in enumerate(self._arrays):
            self._arrays[number] = array[order]
        entries, (images, *_) = [self._entries[index] for index in order], self._arrays
        names = tuple(entry.clean or entry.noisy or "" for entry in entries)
        if self.files.kind == "clean":
            return ImageSet(images, names=names, data_range=self.files.data_range)
        values = [entry.sigma for entry in entries]
        sigmas = None if None in values else np.array(values, np.float32)
        # Of noisy images alone, the one array is both.
        return ImageSet(images, names=names, noisy=self._arrays[-1], sigmas=sigmas, data_range=self.files.data_range)
