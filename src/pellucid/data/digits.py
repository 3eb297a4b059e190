"""Handwritten digits that come with scikit-learn, 1,797 of 8x8 gray; no download."""

import importlib.util
from dataclasses import dataclass

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_test_fraction, split_indices
from pellucid.utils.optional_imports import import_optional

NUM_IMAGES, CLASSES = 1797, tuple("0123456789")


@dataclass(frozen=True)
class Digits:
    """The test set of the UCI optical digits (Alpaydin, Kaynak 1998), its values 0..16 scaled to 0..255.

    Attributes:
        test_fraction: the fraction of images in the test split.
        seed: shuffles the images before they are split.
    """

    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        check_test_fraction(self.test_fraction)

    def available(self) -> bool:
        """Return whether scikit-learn is installed."""
        return importlib.util.find_spec("sklearn") is not None

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape, the number and the classes of the images."""
        return DatasetInfo(1, 8, 8, len(split_indices(NUM_IMAGES, self.test_fraction, self.seed, split)), CLASSES)

    def load(self, split: str) -> ImageSet:
        """Return the `train` or `test` images, (N, 1, 8, 8), with their labels.

        Raises:
            PellucidError: if scikit-learn is missing.
        """
        pixels, labels = import_optional("sklearn.datasets", "train", "the dataset digits").load_digits(return_X_y=True)
        images = np.round(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
        chosen = split_indices(len(images), self.test_fraction, self.seed, split)
        return ImageSet(images[chosen], labels[chosen].astype(np.int64), CLASSES)
