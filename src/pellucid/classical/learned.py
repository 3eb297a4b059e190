"""Baselines that are fitted to pairs: one affine map from all noisy values of an image to all clean ones."""

from dataclasses import dataclass

import numpy as np

from pellucid.classical.base import Baseline, as_batch
from pellucid.errors import UsageError

CHUNK_IMAGES = 8192


@dataclass(frozen=True, eq=False)
class AffineMap(Baseline):
    """`flattened image @ weights + bias`, for images of one size.

    Attributes:
        shape: the (C, H, W) of the images, D = C * H * W values.
        weights: float32 (D, D).
        bias: float32 (D,).
    """

    shape: tuple[int, ...]
    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W).

        Raises:
            UsageError: if the images have another size than those that it was fitted to.
        """
        batch = as_batch(noisy)
        if batch.shape[1:] != self.shape:
            raise UsageError(
                f"the images are {batch.shape[1:]}, the map was fitted to {self.shape}: fit it to this size"
            )
        return (batch.reshape(-1, len(self.bias)) @ self.weights + self.bias).reshape(batch.shape)


class LearnedBaseline(Baseline):
    """A baseline that has to be fitted before it can denoise."""

    needs_training = True

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Raise UsageError: only the map that `fit` returns can denoise."""
        name = type(self).__name__.lower()
        raise UsageError(f"the baseline {name} has to be fitted: use the result of its fit(noisy, clean)")


def flat_pair(noisy: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets as float32 (N, D), or raise UsageError for different shapes or fewer than two pairs."""
    noisy, clean = as_batch(noisy), as_batch(clean)
    if noisy.shape != clean.shape or len(noisy) < 2:
        raise UsageError(
            f"fitting takes at least two pairs of one shape, got {noisy.shape} noisy and {clean.shape} clean"
        )
    return noisy.reshape(len(noisy), -1), clean.reshape(len(clean), -1)


def covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the covariance (D, D), float64, of the columns of `x` and of `y`, both float32 (N, D)."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    total = np.zeros((x.shape[1], y.shape[1]))
    for start in range(0, len(x), CHUNK_IMAGES):
        rows = slice(start, start + CHUNK_IMAGES)
        total += (x[rows] - mean_x).T @ (y[rows] - mean_y)
    return total / len(x)
