"""Gradient energy relative to the reference: 1 as sharp, below 1 blurred."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import image_pair


@dataclass(frozen=True)
class Sharpness:
    """The sum of squared differences of adjacent pixels, divided by the same sum of the reference.

    It measures how much a mean-squared-error loss blurs edges: the squared-gradient focus measure of Krotkov
    ("Focusing", IJCV 1, 1988), relative to the clean image. The data range does not matter. Remaining noise raises it,
    so compare PSNR too: a value above 1 means noise or ringing. If the reference is constant, a constant image gets 1
    and any other infinity.
    """

    kind: ClassVar[str] = "image"
    higher_is_better: ClassVar[bool] = True
    ideal: ClassVar[float] = 1.0

    def __call__(self, image: np.ndarray, reference: np.ndarray, data_range: float = 1.0) -> np.ndarray:
        """Return one value per image, (N,) float64, for floats of shape (N, C, H, W)."""
        image, reference = image_pair(image, reference)
        energy, expected = _gradient_energy(image), _gradient_energy(reference)
        ratio = np.where(energy > 0, np.inf, 1.0)
        return np.divide(energy, expected, out=ratio, where=expected > 0)


def _gradient_energy(images: np.ndarray) -> np.ndarray:
    rows, columns = (np.square(np.diff(images, axis=axis)).sum(axis=(1, 2, 3), dtype=np.float64) for axis in (2, 3))
    return rows + columns
