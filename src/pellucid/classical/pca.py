"""Principal components: a projection on the components of clean images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Bounds, affine_correction
from pellucid.classical.learned import AffineMap, LearnedBaseline, covariance, flat_pair


@dataclass(frozen=True)
class PCA(LearnedBaseline):
    """The noisy image, its brightness and contrast corrected, projected on the clean training images' components.

    A linear autoencoder with a bottleneck of `components` spans the same space (Baldi and Hornik, Neural Networks 2,
    1989).

    Attributes:
        components: the number of components, limited to the number of values of an image.
    """

    components: int = 32

    grid: ClassVar[dict[str, tuple]] = {"components": (2, 4, 8, 16, 32, 64, 128)}
    bounds: ClassVar[dict[str, Bounds]] = {"components": (1, None)}

    def fit(self, noisy: np.ndarray, clean: np.ndarray) -> AffineMap:
        """Return the projection fitted to pairs, (N, C, H, W) each."""
        x, y = flat_pair(noisy, clean)
        gain, offset = affine_correction(x, y)
        _, vectors = np.linalg.eigh(covariance(y, y))
        kept = vectors[:, -self.components :]
        projection = kept @ kept.T
        mean = y.mean(axis=0, dtype=np.float64)
        bias = mean + (offset - mean) @ projection
        return AffineMap(noisy.shape[1:], (gain * projection).astype(np.float32), bias.astype(np.float32))
