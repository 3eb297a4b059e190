"""What every dataset yields: 8-bit images with their labels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid.errors import UsageError

Split = Literal["train", "test"]
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Images:
    """The images of one split.

    Attributes:
        images: uint8 (N, C, H, W), 0 black to 255 white.
        labels: int64 (N,) class numbers, or None.
        classes: the name of each class number, or None.
        names: where each image comes from, (N,) file names, or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the shapes and types named above."""
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}: give uint8 (N, C, H, W)")
        if self.labels is not None and (self.labels.dtype != np.int64 or self.labels.shape != (len(self),)):
            raise ValueError(f"labels are {self.labels.dtype} {self.labels.shape}: give int64 ({len(self)},)")
        if self.names is not None and len(self.names) != len(self):
            raise ValueError(f"{len(self.names)} names for {len(self)} images: give one name an image")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def select(self, indices: np.ndarray | slice) -> "Images":
        """Return the images at `indices`, integers (M,) or a slice, with their labels and names."""
        chosen = np.arange(len(self))[indices]
        return Images(
            self.images[indices],
            None if self.labels is None else self.labels[indices],
            self.classes,
            None if self.names is None else tuple(self.names[index] for index in chosen),
        )


def check_split(split: str) -> None:
    """Raise UsageError unless `split` is `train` or `test`."""
    if split not in SPLITS:
        raise UsageError(f'unknown split "{split}": choose train or test')


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
