"""What every dataset yields: images, with labels or noisy takes of them where there are any."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid.errors import UsageError

Split = Literal["train", "test"]
SPLITS = ("train", "test")
DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Images:
    """The images of one split.

    Attributes:
        images: (N, C, H, W), uint8, uint16 or float32; 0 is black.
        labels: int64 (N,) class numbers, or None.
        classes: the name of each class number, or None.
        names: where each image comes from, (N,) file names, or None.
        noisy: a noisy take of each image, of the same shape and dtype, or None. Where there are only noisy images, it
            is `images` itself, the same array; of two noisy takes, `images` is the second.
        levels: float32 (N,), the noise level of each noisy take in [0, 1] units, or None.
        white: the value that becomes 1.
        taken: bool (N,), which of the images have a noisy take, where the others' is to be made by a noise model; None
            where all have one or none has.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    noisy: np.ndarray | None = None
    levels: np.ndarray | None = None
    white: float = 255.0
    taken: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check the shapes and types named above."""
        if self.images.dtype not in DTYPES or self.images.ndim != 4:
            raise ValueError(
                f"images are {self.images.dtype} {self.images.shape}: give uint8, uint16 or float32 (N, C, H, W)"
            )
        if self.labels is not None and (self.labels.dtype != np.int64 or self.labels.shape != (len(self),)):
            raise ValueError(f"labels are {self.labels.dtype} {self.labels.shape}: give int64 ({len(self)},)")
        if self.names is not None and len(self.names) != len(self):
            raise ValueError(f"{len(self.names)} names for {len(self)} images: give one name an image")
        if self.noisy is not None and (self.noisy.shape, self.noisy.dtype) != (self.images.shape, self.images.dtype):
            raise ValueError(
                f"noisy is {self.noisy.dtype} {self.noisy.shape}: give {self.images.dtype} {self.images.shape}"
            )
        if self.levels is not None and (self.levels.dtype != np.float32 or self.levels.shape != (len(self),)):
            raise ValueError(f"levels are {self.levels.dtype} {self.levels.shape}: give float32 ({len(self)},)")
        if self.taken is not None and (self.noisy is None or self.taken.shape != (len(self),)):
            raise ValueError(
                f"taken is of {self.taken.shape}: give noisy images, and of which there are ({len(self)},)"
            )
        if not 0 < self.white < np.inf:
            raise ValueError(f"white is {self.white}: give the value that becomes 1, such as 255")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def select(self, indices: np.ndarray | slice) -> "Images":
        """Return the images at `indices`, integers (M,) or a slice, with all that belongs to them."""
        chosen = np.arange(len(self))[indices]
        images = self.images[indices]
        return Images(
            images,
            None if self.labels is None else self.labels[indices],
            self.classes,
            None if self.names is None else tuple(self.names[index] for index in chosen),
            images if self.noisy is self.images else None if self.noisy is None else self.noisy[indices],
            None if self.levels is None else self.levels[indices],
            self.white,
            None if self.taken is None else self.taken[indices],
        )


def check_split(split: str, splits: Collection[str] = SPLITS) -> None:
    """Raise UsageError unless `split` is one of those there are."""
    if split not in splits:
        *others, last = splits
        raise UsageError(f'unknown split "{split}": choose {", ".join(others)} or {last}')


def split_indices(count: int, test_fraction: float, seed: int, split: str) -> np.ndarray:
    """Return the sorted indices (M,) of one split of `count` items; both splits together are all of them.

    Raises:
        UsageError: for an unknown split.
    """
    check_split(split)
    order = np.random.default_rng(seed).permutation(count)
    num_test = round(count * test_fraction)
    return np.sort(order[:num_test] if split == "test" else order[num_test:])


def check_test_fraction(test_fraction: float) -> None:
    """Raise ValueError unless `test_fraction` lies in [0, 1)."""
    if not 0 <= test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}: give a share from 0 up to, not including, 1")
