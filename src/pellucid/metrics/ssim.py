"""Structural similarity (Wang et al. 2004), 1 for identical images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import image_pair, positive_range
from pellucid.utils.optional_imports import import_optional

RADIUS = 5
CHUNK_VALUES = 1 << 18


@dataclass(frozen=True)
class SSIM:
    """Mean SSIM with the 11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the channels.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 13(4), 2004, eq. 13 and section III.C. Only windows that lie inside the image count. An image with a
    side under 11 pixels has no such window: its edges are mirrored, and as many outer pixels are ignored as the largest
    odd window that fits would ignore (3 pixels of an 8x8 image).
    """

    kind: ClassVar[str] = "image"
    higher_is_better: ClassVar[bool] = True
    ideal: ClassVar[float] = 1.0

    def __call__(self, image: np.ndarray, reference: np.ndarray, data_range: float = 1.0) -> np.ndarray:
        """Return one value per image, (N,) float64, for floats of shape (N, C, H, W)."""
        image, reference = image_pair(image, reference)
        scale = positive_range(data_range)
        step = max(1, CHUNK_VALUES // int(np.prod(image.shape[1:])))
        chunks = [
            _similarity(image[start : start + step] / scale, reference[start : start + step] / scale)
            for start in range(0, len(image), step)
        ]
        return np.concatenate(chunks) if chunks else np.empty(0)


def _similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    filters = import_optional("scipy.ndimage", "train", "the metric ssim")
    border = min(RADIUS, (min(x.shape[2:]) - 1) // 2)
    inside = (..., slice(border, x.shape[2] - border), slice(border, x.shape[3] - border))

    def local_mean(values: np.ndarray) -> np.ndarray:
        return filters.gaussian_filter(values, 1.5, radius=RADIUS, axes=(2, 3))[inside]

    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    mean_x, mean_y = local_mean(x), local_mean(y)
    product = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    covariance = local_mean(x * y) - product
    variances = local_mean(x * x + y * y) - squares
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
    return similarity.mean(axis=(1, 2, 3))
