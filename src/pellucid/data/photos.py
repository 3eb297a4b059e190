"""Patches of photographs at several scales, textured ones first, with dead leaves mixed in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.dead_leaves import DeadLeaves
from pellucid.data.folder import LUMA, eight_bits
from pellucid.data.image_set import Images, check_split, check_test_fraction, split_indices
from pellucid.data.pages import Pages
from pellucid.errors import PellucidError
from pellucid.image import list_images, read_image
from pellucid.utils.paths import roots


@dataclass(frozen=True)
class Photos:
    """Square colour patches of the photographs in folders of `PELLUCID_DATA` (or of the cache).

    Each photograph is also shrunk, since detail at the scale of pixels is what a denoiser must know. Candidates lie on
    a grid, half a patch apart by default; which of them are taken is drawn with a probability that grows with their
    texture, the mean absolute gradient of the luma. Files, not patches, are split.

    Attributes:
        folders: below `PELLUCID_DATA`, each searched with all folders in it.
        patch: the patch's side in pixels.
        num_patches: how many patches of photographs, both splits together; fewer where the photographs hold fewer.
        scales: the sizes, relative to the file's, at which each photograph is used.
        stride: pixels from one candidate to the next; 0 is half a patch. The more candidates there are for each patch
            that is taken, the more the texture decides.
        texture: the power of the texture that a patch's probability follows; 0 draws all alike.
        num_dead_leaves: how many synthetic images are added, both splits together.
        num_pages: how many patches of synthetic pages are added (`Pages`), since photographs hold print too.
        num_even: how many patches of one colour are added, a quarter of them black, a quarter white.
        test_fraction: the share of files, and of synthetic images, in the test split.
        seed: of all chance.
    """

    folders: tuple[str, ...] = ("train-photos/free",)
    patch: int = 128
    num_patches: int = 1000
    scales: tuple[float, ...] = (1.0, 0.7, 0.5)
    stride: int = 0
    texture: float = 0.7
    num_dead_leaves: int = 100
    num_pages: int = 0
    num_even: int = 0
    test_fraction: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("folders", "scales"):
            if not isinstance(getattr(self, name), list | tuple):
                raise ValueError(f"{name} is {getattr(self, name)!r}: give a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_test_fraction(self.test_fraction)
        counts = (("num_patches", 1), ("num_dead_leaves", 0), ("num_pages", 0), ("num_even", 0))
        for name, least in (("patch", 8), *counts, ("stride", 0), ("texture", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: give {least} or more")
        if not self.folders:
            raise ValueError("folders is empty: name one or more")
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales is {self.scales}: give shares above 0 and up to 1")

    def available(self) -> bool:
        """Return whether all folders are there."""
        return all(self._found(folder) for folder in self.folders)

    def load(self, split: str) -> Images:
        """Read the patches of the `train` or `test` files, (N, 3, patch, patch).

        Raises:
            PellucidError: if a folder is absent or without images, no photograph falls into the split or holds a
                patch, or a file cannot be used, by name.
        """
        check_split(split)
        paths = [path for folder in self.folders for path in list_images(self._folder(folder), recursive=True)]
        chosen = split_indices(len(paths), self.test_fraction, self.seed, split)
        if not len(chosen):
            raise PellucidError(
                f"{', '.join(self.folders)}: {len(paths)} photograph(s) leave none for the {split} split at "
                f"test_fraction {self.test_fraction}: add photographs, or choose another test_fraction"
            )
        share = len(chosen) / len(paths)
        patches = self._patches([paths[index] for index in chosen], round(self.num_patches * share))
        return Images(np.concatenate([patches, *self._synthetic(split)]))

    def _synthetic(self, split: str) -> Iterator[np.ndarray]:
        """Yield what is added to the photographs' patches, (N, 3, patch, patch) of each kind."""
        if self.num_dead_leaves:
            yield DeadLeaves(self.num_dead_leaves, self.patch, self.seed, self.test_fraction).load(split).images
        if self.num_pages:
            pages = Pages(self.num_pages, self.patch, seed=self.seed, test_fraction=self.test_fraction)
            yield pages.load(split).images
        if self.num_even:
            yield even_colours(self.num_even, self.patch, self.seed)[
                split_indices(self.num_even, self.test_fraction, self.seed, split)
            ]

    def _patches(self, paths: list[Path], wanted: int) -> np.ndarray:
        """Return the patches of some photographs, uint8 (N, 3, patch, patch)."""
        pictures = [picture for path in paths for picture in self._scaled(path)]
        places = [
            (number, row, column, texture)
            for number, picture in enumerate(pictures)
            for row, column, texture in self._candidates(picture)
        ]
        if not places:
            raise PellucidError(f"no photograph in {', '.join(self.folders)} holds a patch of {self.patch} pixels")
        weights = (np.array([place[-1] for place in places]) + 0.002) ** self.texture
        count = min(wanted, len(places))
        random = np.random.default_rng((self.seed, len(paths)))
        drawn = random.choice(len(places), count, replace=False, p=weights / weights.sum())
        patches = np.empty((count, 3, self.patch, self.patch), np.uint8)
        for place, index in enumerate(drawn):
            number, row, column, _ = places[index]
            part = pictures[number][row : row + self.patch, column : column + self.patch]
            patches[place] = part.transpose(2, 0, 1)
        return patches

    def _scaled(self, path: Path) -> Iterator[np.ndarray]:
        """Yield one photograph at each scale, uint8 (H, W, 3)."""
        from PIL import Image

        pixels = eight_bits(read_image(path, max_frames=1).pixels)
        picture = Image.fromarray(pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=-1))
        for scale in self.scales:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            yield np.asarray(picture if scale == 1 else picture.resize(size, Image.Resampling.LANCZOS))

    def _candidates(self, picture: np.ndarray) -> Iterator[tuple[int, int, float]]:
        """Yield (row, column, texture) of the patches on the grid."""
        luma = picture.astype(np.float32) @ (LUMA / 255)
        gradient = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
        # A table of sums from the corner (Crow 1984): four of its entries tell the sum over any patch.
        table = np.pad(gradient.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
        step, inside = self.stride or self.patch // 2, self.patch - 1
        for row in range(0, len(picture) - self.patch + 1, step):
            top, bottom = table[row], table[row + inside]
            for column in range(0, picture.shape[1] - self.patch + 1, step):
                right = column + inside
                total = bottom[right] - top[right] - bottom[column] + top[column]
                yield row, column, max(0.0, float(total)) / inside**2

    def _found(self, folder: str) -> Path | None:
        return next((root / folder for root in roots() if (root / folder).is_dir()), None)

    def _folder(self, folder: str) -> Path:
        found = self._found(folder)
        if found is None:
            places = ", ".join(str(root / folder) for root in roots())
            raise PellucidError(
                f"the photographs are not at hand: looked for {places}; put image files there, or set PELLUCID_DATA "
                "to a folder that has them"
            )
        return found


def even_colours(count: int, size: int, seed: int) -> np.ndarray:
    """Return images of one colour each, uint8 (count, 3, size, size): black, white, and two of any colour in turn."""
    colours = np.random.default_rng((seed, count)).integers(0, 256, (count, 3), np.uint8)
    colours[::4], colours[1::4] = 0, 255
    return np.broadcast_to(colours[:, :, None, None], (count, 3, size, size)).copy()
