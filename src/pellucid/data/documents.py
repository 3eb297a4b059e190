"""Pairs of stained scans and their clean pages (NoisyOffice), with rendered pages mixed in for noise of a model."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np

from pellucid.data.folder import eight_bits, with_channels
from pellucid.data.image_set import Images, check_split
from pellucid.data.pages import Pages
from pellucid.errors import PellucidError
from pellucid.image import list_images, read_image
from pellucid.utils.paths import roots

NAME = "documents"
SPLITS = ("train", "validation", "test")
HELD_OUT, VALIDATION = 3, 8  # every third clean page is for tests, and every eighth of the others for validation
VALIDATION_SHARE = 8


@dataclass(frozen=True)
class Documents:
    """Square patches at random places of the scans in `documents/noisy` and `documents/clean`, of the same names.

    Several scans have the same clean page. All of them lie in one split: clean pages are sorted by the SHA-256 of
    their files, and every third, from the first on, is for tests alone.

    Attributes:
        patch: the patch's side in pixels.
        num_patches: how many train; an eighth of it at most is for validation, and as many as for that for tests.
        num_rendered: how many patches of rendered pages (`pellucid.data.pages`) train too; they have no noisy takes.
        colour: the share of rendered pages with colours.
        seed: of all chance.
    """

    has_validation: ClassVar[bool] = True

    patch: int = 128
    num_patches: int = 4000
    num_rendered: int = 0
    colour: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        for name, least in (("patch", 8), ("num_patches", 1), ("num_rendered", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: give {least} or more")
        if not 0 <= self.colour <= 1:
            raise ValueError(f"colour is {self.colour}: give a share from 0 to 1")

    def available(self) -> bool:
        """Return whether the folder is there."""
        return self._found() is not None

    def load(self, split: str) -> Images:
        """Read patches (N, 3, patch, patch) of the `train`, `validation` or `test` pages, each with its noisy take.

        Raises:
            PellucidError: if the folder is absent, or a file has no partner of its size or cannot be used, by name.
        """
        check_split(split, SPLITS)
        pairs = self._pairs(split)
        random = np.random.default_rng((self.seed, SPLITS.index(split)))
        count = self.num_patches if split == "train" else max(1, self.num_patches // VALIDATION_SHARE)
        num_rendered = self.num_rendered if split == "train" else 0
        clean, noisy = (np.zeros((count + num_rendered, 3, self.patch, self.patch), np.uint8) for _ in range(2))
        areas = np.array([clean_page[0].size for clean_page, _ in pairs])
        for place, number in enumerate(random.choice(len(pairs), count, p=areas / areas.sum())):
            height, width = pairs[number][0].shape[1:]
            row, column = random.integers(0, (height - self.patch + 1, width - self.patch + 1))
            window = (slice(None), slice(row, row + self.patch), slice(column, column + self.patch))
            clean[place], noisy[place] = (part[window] for part in pairs[number])
        if not self.num_rendered:
            return Images(clean, noisy=noisy)
        if num_rendered:
            rendered = Pages(num_rendered, self.patch, self.colour, self.seed, test_fraction=0)
            clean[count:] = rendered.load("train").images
        return Images(clean, noisy=noisy, taken=np.arange(len(clean)) < count)

    def _pairs(self, split: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the clean and the noisy page, each (3, H, W), of every scan in a split."""
        folder = self._found()
        if folder is None:
            places = ", ".join(str(root / NAME) for root in roots())
            raise PellucidError(
                f"the documents are not at hand: looked for {places}; put the folders noisy and clean there, or set "
                "PELLUCID_DATA to a folder that has them"
            )
        paths = list_images(folder / "clean")
        digests = [sha256(path.read_bytes()).hexdigest() for path in paths]
        ordered = sorted(set(digests))
        others = [digest for place, digest in enumerate(ordered) if place % HELD_OUT]
        parts = {"test": set(ordered[::HELD_OUT]), "validation": set(others[::VALIDATION])}
        parts["train"] = set(others) - parts["validation"]
        chosen = [path for path, digest in zip(paths, digests, strict=True) if digest in parts[split]]
        if not chosen:
            raise PellucidError(f"{folder} has {len(ordered)} clean pages, too few for the {split} split: add pages")
        return [self._pair(path, folder / "noisy" / path.name) for path in chosen]

    def _pair(self, clean: Path, noisy: Path) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._read(clean), self._read(noisy)
        if first.shape != second.shape:
            raise PellucidError(f"{noisy} and {clean} differ in size: crop them alike, or take them away")
        if min(first.shape[1:]) < self.patch:
            raise PellucidError(
                f"{clean} is smaller than the patch of {self.patch}: set patch to {min(first.shape[1:])}"
            )
        return first, second

    def _read(self, path: Path) -> np.ndarray:
        pixels = eight_bits(read_image(path, max_frames=1).pixels)
        planes = with_channels(pixels[None] if pixels.ndim == 3 else pixels[None, ..., None], 3, path)
        return planes[0].transpose(2, 0, 1)

    def _found(self) -> Path | None:
        return next((root / NAME for root in roots() if (root / NAME / "clean").is_dir()), None)
