"""Bilateral filter: the mean of nearby pixels with similar values."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Baseline, Bounds, as_batch, each_image
from pellucid.utils.optional_imports import import_optional


@dataclass(frozen=True)
class Bilateral(Baseline):
    """Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998, by OpenCV.

    Attributes:
        sigma_color: the std of the weights by difference in value, in units of the image; 0 changes nothing, and from
            4 on all values in [0, 1] get almost the same weight, which leaves a Gaussian blur.
        sigma_spatial: the std of the weights by distance, in pixels; 0 changes nothing.
    """

    sigma_color: float = 0.5
    sigma_spatial: float = 1.5

    grid: ClassVar[dict[str, tuple]] = {
        "sigma_color": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 4.0),
        "sigma_spatial": (0.5, 0.75, 1.0, 1.5, 2.0, 3.0),
    }
    bounds: ClassVar[dict[str, Bounds]] = {"sigma_color": (0.0, 4.0), "sigma_spatial": (0.0, None)}

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W); three channels are compared as one color."""
        batch = as_batch(noisy)
        if not (self.sigma_color and self.sigma_spatial):
            return batch.copy()
        opencv = import_optional("cv2", "compare", "the baseline bilateral")
        if batch.shape[1] != 3:
            gray = batch.reshape(-1, 1, *batch.shape[2:])
            return each_image(gray, lambda image: self._filter(opencv, image)).reshape(batch.shape)
        return each_image(batch, lambda image: self._filter(opencv, image))

    def _filter(self, opencv, image: np.ndarray) -> np.ndarray:
        return opencv.bilateralFilter(image, -1, self.sigma_color, self.sigma_spatial)
