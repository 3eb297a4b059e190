"""Peak signal-to-noise ratio in dB; infinite for identical images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import positive_range, squared_error


@dataclass(frozen=True)
class PSNR:
    """10 log10(data_range² / MSE), over all channels of an image; the PSNR of a set is the mean over its images.

    Identical images give +inf, which makes the mean of a set infinite too.
    """

    kind: ClassVar[str] = "image"
    higher_is_better: ClassVar[bool] = True
    ideal: ClassVar[float] = float("inf")

    def __call__(self, image: np.ndarray, reference: np.ndarray, data_range: float = 1.0) -> np.ndarray:
        """Return one value in dB per image, (N,) float64, for floats of shape (N, C, H, W)."""
        return psnr_from_mse(squared_error(image, reference) / positive_range(data_range) ** 2)


def psnr_from_mse(mse: np.ndarray) -> np.ndarray:
    """Return the PSNR in dB of mean squared errors, with a data range of 1; infinite for 0."""
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(mse)
