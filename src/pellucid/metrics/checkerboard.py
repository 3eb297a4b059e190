"""Checkerboard artifacts: the energy of the error at the highest frequencies, 1 for white noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import image_pair


@dataclass(frozen=True)
class Checkerboard:
    """The fraction of the error's energy in the Nyquist row and column of its spectrum, relative to a flat spectrum.

    Stride-2 transposed convolutions leave a pattern of period two (Odena, Dumoulin, Olah, "Deconvolution and
    Checkerboard Artifacts", Distill 2016), whose energy lies there: such a pattern scores far above 1, white noise
    1, a smooth error below 1, and no error 1. The mean of the error is ignored. For an odd side the two bins nearest to
    the Nyquist frequency are used. The data range does not matter.
    """

    kind: ClassVar[str] = "image"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 1.0

    def __call__(self, image: np.ndarray, reference: np.ndarray, data_range: float = 1.0) -> np.ndarray:
        """Return one value per image, (N,) float64, for floats of shape (N, C, H, W)."""
        image, reference = image_pair(image, reference)
        height, width = image.shape[2:]
        highest = _nyquist(height)[:, None] | _nyquist(width)[None, :]
        if not highest.any():
            return np.ones(len(image))
        flat_fraction = highest.sum() / (height * width - 1)
        energy = np.square(np.abs(np.fft.fft2(image - reference))).sum(axis=1, dtype=np.float64)
        energy[:, 0, 0] = 0
        total = energy.sum(axis=(1, 2))
        fraction = np.divide(
            energy[:, highest].sum(axis=1), total, out=np.full(len(image), flat_fraction), where=total > 0
        )
        return fraction / flat_fraction


def _nyquist(length: int) -> np.ndarray:
    """Return which of the `length` frequencies are the highest; none for a single pixel."""
    frequency = np.abs(np.fft.fftfreq(length))
    return (frequency == frequency.max()) & (frequency > 0)
