"""Patches of the user's own images, as a list of files names them, at their own depth."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.file_list import Entry, FileList, read_file_list
from pellucid.data.folder import with_channels
from pellucid.data.image_set import Images, check_split
from pellucid.errors import PellucidError
from pellucid.image import read_image

PARTS = {"train": "train", "validation": "validation", "test": "validation"}
CANDIDATES = 16  # for every patch that fits side by side
VALIDATION_SHARE = 8
LEAST_TEXTURE = 0.002


@dataclass(frozen=True)
class Listed:
    """Square patches at random places of a list's files, the pages of stacks too, in proportion to their area.

    One file is read at a time, with what belongs to it, and of its patches only those are kept that may be among the
    chosen ones. Samples keep their depth and their range. Patches with values that are not finite are passed over.

    Attributes:
        path: the list of files, a JSON file (`pellucid.data.file_list`).
        patch: the patch's side in pixels.
        num_patches: how many train; fewer where the files hold fewer, and an eighth of it at most for validation.
        texture: the power of the texture, the mean absolute gradient, that a patch's probability follows; 0 draws all
            alike.
        seed: of all chance.
    """

    has_validation: ClassVar[bool] = True

    path: str
    patch: int = 128
    num_patches: int = 4000
    texture: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        for name, least in (("patch", 8), ("num_patches", 1), ("texture", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: give {least} or more")

    def available(self) -> bool:
        """Return whether there is such a list."""
        return self._path.is_file()

    def load(self, split: str) -> Images:
        """Read the patches of the `train` or `validation` files, (N, channels, patch, patch); `test` is `validation`.

        Of pairs, `images` are the clean patches and `noisy` the noisy ones; of two takes the second and the first.

        Raises:
            UsageError: for an unknown split, or if the list is none.
            PellucidError: if the list is absent or names no file for the split, or a file cannot be used, by name.
        """
        check_split(split, tuple(PARTS))
        files, part = read_file_list(self._path), PARTS[split]
        entries = [entry for entry in files.entries if entry.part == part]
        if not entries:
            raise PellucidError(f'{self._path} names no file with part = "{part}": give the {part} part one or more')
        count = self.num_patches if part == "train" else max(1, self.num_patches // VALIDATION_SHARE)
        random = np.random.default_rng((self.seed, part == "validation"))
        chosen = Chosen((count, files.channels, self.patch, self.patch), files)
        for entry in entries:
            for pages in zip(*self._stacks(entry, files), strict=True):
                self._offer(chosen, entry, pages, random)
        if not len(chosen):
            raise PellucidError(f"{self._path}: no {part} file holds a patch of finite values: give other images")
        return chosen.images()

    @property
    def _path(self) -> Path:
        return Path(self.path).expanduser()

    def _stacks(self, entry: Entry, files: FileList) -> list[np.ndarray]:
        """Return the stack that is learnt towards and, if there is one, its noisy take, each (N, H, W, C)."""
        names = {
            "pairs": (entry.clean, entry.noisy),
            "clean": (entry.clean,),
            "noisy": (entry.noisy,),
            "takes": (entry.second, entry.noisy),
        }[files.kind]
        stacks = [self._read(Path(name or ""), files) for name in names]
        first, last = stacks[0].shape[:3], stacks[-1].shape[:3]
        if first != last:
            told = [f"{pages} page(s) of {width}x{height}" for pages, height, width in (first, last)]
            raise PellucidError(
                f"{names[0]} has {told[0]} and {names[-1]} {told[1]}, but they belong together: crop them alike, or "
                f"take them out of {self._path}"
            )
        return stacks

    def _read(self, path: Path, files: FileList) -> np.ndarray:
        """Return a file as (N, H, W, C) of the list's channels."""
        try:
            image = read_image(path)
        except PellucidError as error:
            raise PellucidError(
                f"{error}; or start train on the folders again, which leaves out what it cannot use"
            ) from error
        pixels = image.pixels if image.channel_axis else image.pixels[..., None]
        if pixels.dtype != files.dtype:
            raise PellucidError(
                f"{path} holds {pixels.dtype} samples, {self._path} is of {files.dtype}: take it out of the list"
            )
        planes = with_channels(pixels if image.is_stack else pixels[None], files.channels, path)
        height, width = planes.shape[1:3]
        if min(height, width) < self.patch:
            raise PellucidError(
                f"{path} is {width}x{height}, smaller than the patch of {self.patch}: set data.patch to "
                f"{min(height, width)} or less, or take the file out of {self._path}"
            )
        return planes

    def _offer(
        self, chosen: "Chosen", entry: Entry, pages: tuple[np.ndarray, ...], random: np.random.Generator
    ) -> None:
        """Offer patches at random places of one page, (H, W, C), and of its noisy take if there is one."""
        for row, column in self._places(pages[0].shape[0], pages[0].shape[1], random):
            parts = [page[row : row + self.patch, column : column + self.patch] for page in pages]
            lot = random.exponential()
            if parts[0].dtype.kind != "f" or all(np.isfinite(part).all() for part in parts):
                chosen.offer(lot / self._weight(parts[0], chosen.files.white), parts, entry)

    def _places(self, height: int, width: int, random: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Yield the (row, column) of candidates, as many as the area calls for, no two alike."""
        rows, columns = height - self.patch + 1, width - self.patch + 1
        wanted = min(rows * columns, round(CANDIDATES * height * width / self.patch**2))
        for place in random.choice(rows * columns, wanted, replace=False, shuffle=False).tolist():
            yield divmod(place, columns)

    def _weight(self, part: np.ndarray, white: float) -> float:
        """Return how probable a patch (H, W, C) is, relative to others."""
        if not self.texture:
            return 1.0
        gray = part.mean(axis=-1, dtype=np.float32) / white
        gradient = np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()
        return float(gradient + LEAST_TEXTURE) ** self.texture


class Chosen:
    """The patches with the least lots so far: a weighted sample without replacement, drawn in one pass.

    A lot is exponentially distributed, divided by the patch's weight (Efraimidis and Spirakis, 2006).
    """

    def __init__(self, shape: tuple[int, int, int, int], files: FileList) -> None:
        """Make room for patches of a shape (N, C, H, W), and for their noisy takes."""
        self.files = files
        self._arrays = [np.empty(shape, files.dtype) for _ in range(1 + (files.kind in ("pairs", "takes")))]
        self._lots: list[tuple[float, int]] = []  # a heap of (-lot, place), the greatest lot first
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._lots)

    def offer(self, lot: float, parts: list[np.ndarray], entry: Entry) -> None:
        """Keep a patch, (H, W, C) once or twice, if its lot is less than another's or there is room."""
        place = len(self)
        if place < len(self._arrays[0]):
            heapq.heappush(self._lots, (-lot, place))
            self._entries.append(entry)
        elif -lot > self._lots[0][0]:
            place = self._lots[0][1]
            heapq.heapreplace(self._lots, (-lot, place))
            self._entries[place] = entry
        else:
            return
        for array, part in zip(self._arrays, parts, strict=True):
            array[place] = part.transpose(2, 0, 1)

    def images(self) -> Images:
        """Return them in the order of their lots, which is random."""
        order = [place for _, place in sorted(self._lots, reverse=True)]
        for number, array in enumerate(self._arrays):
            self._arrays[number] = array[order]
        entries = [self._entries[place] for place in order]
        names = tuple(entry.clean or entry.noisy or "" for entry in entries)
        if self.files.kind == "clean":
            return Images(self._arrays[0], names=names, white=self.files.white)
        levels = [entry.level for entry in entries]
        known = None if None in levels else np.array(levels, np.float32)
        # Of noisy images alone, the one array is both.
        return Images(self._arrays[0], names=names, noisy=self._arrays[-1], levels=known, white=self.files.white)
