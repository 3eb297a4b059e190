"""The noisy image as it is; with its affine correction, the least that counts as denoising."""

from dataclasses import dataclass

import numpy as np

from pellucid.classical.base import Rival, as_batch


@dataclass(frozen=True)
class Identity(Rival):
    """Return the input unchanged."""

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return a copy of the images, float32 (N, C, H, W)."""
        return as_batch(noisy).copy()
