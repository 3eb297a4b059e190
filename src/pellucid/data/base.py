"""The images of a dataset, with their labels or noisy images where it has any."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.errors import UsageError

SPLITS = ("train", "test")
DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of the images of one split before they are loaded.

    Attributes:
        channels: of every image.
        height: of every image in pixels.
        width: of every image in pixels.
        num_images: how many; None where that depends on the content of the files.
        classes: the name of each class number, or none.
    """

    channels: int
    height: int
    width: int
    num_images: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageSet:
    """The images of one split.

    Attributes:
        images: (N, C, H, W), uint8, uint16 or float32; 0 is black.
        labels: int64 (N,) class numbers, or None.
        classes: the name of each class number, or None.
        names: where each image comes from, (N,) file names, or None.
        noisy: the noisy image of each image, of the same shape and dtype, or None. Where there are only noisy images,
            it is `images` itself, the same array; of two noisy captures, `images` is the second.
        sigmas: float32 (N,), the noise level of each noisy image in [0, 1] units, or None.
        data_range: the value that becomes 1.
        has_noisy: bool (N,), which images have a noisy image, where a noise model is to make the others; None where
            all have one or none has.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    noisy: np.ndarray | None = None
    sigmas: np.ndarray | None = None
    data_range: float = 255.0
    has_noisy: np.ndarray | None = None

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
        if self.sigmas is not None and (self.sigmas.dtype != np.float32 or self.sigmas.shape != (len(self),)):
            raise ValueError(f"sigmas are {self.sigmas.dtype} {self.sigmas.shape}: give float32 ({len(self)},)")
        if self.has_noisy is not None and (self.noisy is None or self.has_noisy.shape != (len(self),)):
            raise ValueError(
                f"has_noisy is of shape {self.has_noisy.shape}: give noisy images, and a value for each of {len(self)}"
            )
        if not 0 < self.data_range < np.inf:
            raise ValueError(f"data_range is {self.data_range}: give the value that becomes 1, such as 255")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def is_noisy_only(self) -> bool:
        """Whether there are noisy images and no others."""
        return self.noisy is self.images

    def select(self, indices: np.ndarray | slice) -> "ImageSet":
        """Return the images at `indices`, integers (M,) or a slice, with everything that belongs to them."""
        return _merge([self], lambda arrays: arrays[0][indices])

    @staticmethod
    def concatenate(parts: Sequence["ImageSet"]) -> "ImageSet":
        """Return the images of sets of the same kind, one set after the other."""
        return _merge(parts, np.concatenate)


def _merge(parts: Sequence[ImageSet], join: Callable[[list[np.ndarray]], np.ndarray]) -> ImageSet:
    """Return a set whose arrays are those of `parts`, joined by `join`."""

    def merge(key: str) -> np.ndarray | None:
        values = [getattr(part, key) for part in parts]
        return None if any(value is None for value in values) else join([np.asarray(value) for value in values])

    images, names = join([part.images for part in parts]), merge("names")
    return replace(
        parts[0],
        images=images,
        noisy=images if parts[0].is_noisy_only else merge("noisy"),
        names=None if names is None else tuple(names.tolist()),
        **{key: merge(key) for key in ("labels", "sigmas", "has_noisy")},
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
        raise ValueError(f"test_fraction is {test_fraction}: give a fraction from 0 up to, not including, 1")


def check_fraction(name: str, value: float) -> None:
    """Raise ValueError unless an option lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}: give a fraction from 0 to 1")


def check_minima(dataset: Any, minima: Mapping[str, float]) -> None:
    """Raise ValueError for the first option of a dataset that is below its minimum."""
    for name, minimum in minima.items():
        if getattr(dataset, name) < minimum:
            raise ValueError(f"{name} is {getattr(dataset, name)}: give {minimum} or more")
