"""Handwritten digits that scikit-learn carries, 1,797 of 8x8 gray; no download."""

import importlib.util
from dataclasses import dataclass

import numpy as np

from pellucid.data.image_set import Images, check_test_fraction, split_indices
from pellucid.utils.optional_imports import need


@dataclass(frozen=True)
class Digits:
    """The test set of the UCI optical digits (Alpaydin, Kaynak 1998), its values 0..16 scaled to 0..255.

    Attributes:
        test_fraction: the share of images in the test split.
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

    def load(self, split: str) -> Images:
        """Return the `train` or `test` images, (N, 1, 8, 8), with their labels.

        Raises:
            PellucidError: if scikit-learn is missing.
        """
        pixels, labels = need("sklearn.datasets", "train", "the dataset digits").load_digits(return_X_y=True)
        images = np.round(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
        chosen = split_indices(len(images), self.test_fraction, self.seed, split)
        return Images(images[chosen], labels[chosen].astype(np.int64), tuple("0123456789"))
