"""Patches of photographs at several scales, textured ones first, with dead leaves mixed in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.base import (
    DatasetInfo,
    ImageSet,
    check_minima,
    check_split,
    check_test_fraction,
    split_indices,
)
from pellucid.data.dead_leaves import DeadLeaves
from pellucid.data.folder import to_uint8
from pellucid.data.pages import Pages
from pellucid.errors import PellucidError
from pellucid.image import list_images, read_image
from pellucid.image.color import LUMA
from pellucid.utils.paths import data_missing, find_data


@dataclass(frozen=True)
class Photos:
    """Square color patches of the photographs in folders of `PELLUCID_DATA` (or of the cache).

    Each photograph is used at reduced sizes too, since a denoiser must know detail at the scale of pixels. Candidates
    lie on a grid, half a patch apart by default. The probability that one is chosen grows with its texture, the mean
    absolute gradient of the luma. Files, not patches, are split.

    Attributes:
        folders: below `PELLUCID_DATA`, each searched with all folders in it.
        patch: the side of a patch in pixels.
        num_patches: how many patches of photographs, both splits together; fewer where the photographs hold fewer.
        scales: the sizes, relative to the file's, at which each photograph is used.
        stride: pixels from one candidate to the next; 0 is half a patch. With more candidates for each patch, the
            texture has more influence.
        texture: the exponent of the texture in a patch's weight; 0 gives all the same weight.
        num_dead_leaves: how many synthetic images are added, both splits together.
        num_pages: how many patches of synthetic pages are added (`Pages`), since photographs hold print too.
        num_constant: how many patches of a single color are added, a quarter of them black, a quarter white.
        test_fraction: the fraction of files, and of synthetic images, in the test split.
        seed: of all randomness.
    """

    folders: tuple[str, ...] = ("train-photos/free",)
    patch: int = 128
    num_patches: int = 1000
    scales: tuple[float, ...] = (1.0, 0.7, 0.5)
    stride: int = 0
    texture: float = 0.7
    num_dead_leaves: int = 100
    num_pages: int = 0
    num_constant: int = 0
    test_fraction: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("folders", "scales"):
            if not isinstance(getattr(self, name), list | tuple):
                raise ValueError(f"{name} is {getattr(self, name)!r}: give a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_test_fraction(self.test_fraction)
        check_minima(self, {"patch": 8, "num_patches": 1, "num_dead_leaves": 0, "num_pages": 0, "num_constant": 0})
        check_minima(self, {"stride": 0, "texture": 0})
        if not self.folders:
            raise ValueError("folders is empty: name one or more")
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales is {self.scales}: give fractions above 0 and up to 1")

    def available(self) -> bool:
        """Return whether all folders exist."""
        return all(find_data(folder) for folder in self.folders)

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape of the patches; nothing is read.

        Raises:
            PellucidError: if a folder is missing.
        """
        check_split(split)
        for folder in self.folders:
            self._folder(folder)
        return DatasetInfo(3, self.patch, self.patch)

    def load(self, split: str) -> ImageSet:
        """Read the patches of the `train` or `test` files, (N, 3, patch, patch).

        Raises:
            PellucidError: if a folder is missing or without images, no photograph is in the split or holds a patch, or
                a file cannot be used, by name.
        """
        check_split(split)
        paths = [path for folder in self.folders for path in list_images(self._folder(folder), recursive=True)]
        chosen = split_indices(len(paths), self.test_fraction, self.seed, split)
        if not len(chosen):
            raise PellucidError(
                f"{', '.join(self.folders)}: {len(paths)} photograph(s) leave none for the {split} split at "
                f"test_fraction {self.test_fraction}: add photographs, or choose another test_fraction"
            )
        count = round(self.num_patches * (len(chosen) / len(paths)))
        patches = self._patches([paths[index] for index in chosen], count)
        return ImageSet(np.concatenate([patches, *self._synthetic(split)]))

    def _synthetic(self, split: str) -> Iterator[np.ndarray]:
        """Yield the patches of each other kind, (N, 3, patch, patch)."""
        if self.num_dead_leaves:
            yield DeadLeaves(self.num_dead_leaves, self.patch, self.seed, self.test_fraction).load(split).images
        if self.num_pages:
            pages = Pages(self.num_pages, self.patch, seed=self.seed, test_fraction=self.test_fraction)
            yield pages.load(split).images
        if self.num_constant:
            yield constant_color_images(self.num_constant, self.patch, self.seed)[
                split_indices(self.num_constant, self.test_fraction, self.seed, split)
            ]

    def _patches(self, paths: list[Path], max_patches: int) -> np.ndarray:
        """Return patches of photographs, uint8 (N, 3, patch, patch)."""
        photos = [photo for path in paths for photo in self._scaled(path)]
        candidates = [
            (number, row, column, texture)
            for number, photo in enumerate(photos)
            for row, column, texture in self._candidates(photo)
        ]
        if not candidates:
            raise PellucidError(f"no photograph in {', '.join(self.folders)} holds a patch of {self.patch} pixels")
        weights = (np.array([texture for *_, texture in candidates]) + 0.002) ** self.texture
        count = min(max_patches, len(candidates))
        rng = np.random.default_rng((self.seed, len(paths)))
        patches = np.empty((count, 3, self.patch, self.patch), np.uint8)
        chosen = rng.choice(len(candidates), count, replace=False, p=weights / weights.sum())
        for patch, index in zip(patches, chosen, strict=True):
            number, row, column, _ = candidates[index]
            patch[:] = photos[number][row : row + self.patch, column : column + self.patch].transpose(2, 0, 1)
        return patches

    def _scaled(self, path: Path) -> Iterator[np.ndarray]:
        """Yield one photograph at each scale, uint8 (H, W, 3)."""
        from PIL import Image

        pixels = to_uint8(read_image(path, max_frames=1).pixels)
        photo = Image.fromarray(pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=-1))
        for scale in self.scales:
            size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
            yield np.asarray(photo if scale == 1 else photo.resize(size, Image.Resampling.LANCZOS))

    def _candidates(self, photo: np.ndarray) -> Iterator[tuple[int, int, float]]:
        """Yield (row, column, texture) of the patches on the grid."""
        luma = photo.astype(np.float32) @ (np.array(LUMA, np.float32) / 255)
        gradient = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
        # A summed-area table (Crow 1984): the sum over any patch is computed from four of its entries.
        table = np.pad(gradient.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
        step, inside = self.stride or self.patch // 2, self.patch - 1
        for row in range(0, len(photo) - self.patch + 1, step):
            top, bottom = table[row], table[row + inside]
            for column in range(0, photo.shape[1] - self.patch + 1, step):
                right = column + inside
                total = bottom[right] - top[right] - bottom[column] + top[column]
                yield row, column, max(0.0, float(total)) / inside**2

    def _folder(self, folder: str) -> Path:
        path = find_data(folder)
        if path is None:
            raise data_missing("photographs", folder, "image files")
        return path


def constant_color_images(count: int, size: int, seed: int) -> np.ndarray:
    """Return images of a single color each, uint8 (count, 3, size, size): black, white, and two random colors."""
    colors = np.random.default_rng((seed, count)).integers(0, 256, (count, 3), np.uint8)
    colors[::4], colors[1::4] = 0, 255
    return np.broadcast_to(colors[:, :, None, None], (count, 3, size, size)).copy()
