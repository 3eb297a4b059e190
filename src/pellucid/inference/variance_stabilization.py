"""Transform an image so that noise that depends on brightness gets one standard deviation, and back without a bias."""

from dataclasses import dataclass, replace

import numpy as np

from pellucid.utils.optional_imports import import_optional

MAX_BINS, MIN_PIXELS_PER_BIN = 64, 256
GRID_POINTS = 1024
# Noise weaker than this fraction of the strongest would stretch dark areas too far.
MIN_RELATIVE_STD = 0.1
# Smaller differences may be fine texture in the residual.
MAX_STD_RATIO = 1.4
SMOOTHING_PASSES = 2
MIN_SIGMA = 1e-4


@dataclass(frozen=True)
class VarianceStabilizer:
    """A rising curve from intensity to a scale on which noise has one standard deviation, and its inverse.

    Attributes:
        intensities: (K,) intensities with white at 1, rising.
        stabilized: (K,) their values on the stabilized scale, rising; 0 and 1 stay in place until `scaled` is called.
        sigma: the standard deviation of the noise on that scale.
        inverse_points: the points of the inverse: on the stabilized scale, rising, and their intensities; None inverts
            the curve itself.
    """

    intensities: np.ndarray
    stabilized: np.ndarray
    sigma: float
    inverse_points: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def identity(cls, sigma: float) -> "VarianceStabilizer":
        """Return a stabilizer that does not change the image."""
        ends = np.array([0.0, 1.0])
        return cls(ends, ends, max(sigma, MIN_SIGMA))

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing but the scale."""
        return len(self.intensities) == 2

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return an image of any shape on the stabilized scale, float32; beyond its ends the curve is linear."""
        return _interpolate(image, self.intensities, self.stabilized)

    def inverse(self, image: np.ndarray) -> np.ndarray:
        """Return the intensities of an image on the stabilized scale, float32."""
        return _interpolate(image, *(self.inverse_points or (self.stabilized, self.intensities)))

    def scaled(self, sigma: float) -> "VarianceStabilizer":
        """Return the same curve, stretched so that the noise has the standard deviation `sigma`."""
        return VarianceStabilizer(self.intensities, self.stabilized * (sigma / self.sigma), sigma)

    def calibrated(self, denoised: np.ndarray, noisy: np.ndarray) -> "VarianceStabilizer":
        """Return a stabilizer whose inverse maps denoised values to the mean intensity of the noisy pixels there.

        The mean of a curve is not the curve of the mean (Mäkitalo and Foi, "Optimal inversion of the Anscombe
        transformation", IEEE TIP 20(1), 2011), and a network with too little context pulls rare values to common ones;
        both would shift the brightness.

        Args:
            denoised: on the stabilized scale.
            noisy: the intensities of the same pixels.
        """
        positions, means, _ = bin_means(denoised, noisy)
        isotonic = import_optional("scipy.optimize", "train", "the model self").isotonic_regression(means).x
        error = isotonic - _interpolate(positions, self.stabilized, self.intensities)
        stabilized = np.union1d(self.stabilized, positions)
        intensities = _interpolate(stabilized, self.stabilized, self.intensities)
        intensities = intensities + np.interp(stabilized, positions, error)
        return replace(self, inverse_points=(stabilized, intensities))


def fit_stabilizer(noisy: np.ndarray, denoised: np.ndarray) -> VarianceStabilizer:
    """Return the stabilizer of the noise between a noisy image and a first estimate of the clean one.

    The curve is the integral of 1 / std(intensity) (Bartlett, "The square root transformation in analysis of variance",
    1936), which is Anscombe's root for photon noise. White stays at 1. Noise that is almost the same everywhere gets
    the identity.

    Args:
        noisy: intensities with white at 1, any shape.
        denoised: of the same shape.
    """
    positions, _, stds = bin_means(denoised, noisy)
    for _ in range(SMOOTHING_PASSES):
        padded = np.concatenate([stds[:1], stds, stds[-1:]])
        stds = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    stds = np.maximum(stds, max(MIN_RELATIVE_STD * stds.max(), MIN_SIGMA))
    if stds.max() < MAX_STD_RATIO * stds.min():
        sigma = float(np.sqrt(np.square(noisy - denoised, dtype=np.float64).mean()))
        return VarianceStabilizer.identity(sigma)
    low, high = min(0.0, float(noisy.min())), max(1.0, float(noisy.max()))
    intensities = np.union1d(np.linspace(low, high, GRID_POINTS), [0.0, 1.0])
    slopes = 1 / np.interp(intensities, positions, stds)
    stabilized = np.concatenate([[0.0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(intensities))])
    at_0, at_1 = np.interp([0.0, 1.0], intensities, stabilized)
    return VarianceStabilizer(intensities, (stabilized - at_0) / (at_1 - at_0), float(1 / (at_1 - at_0)))


def bin_means(by: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort pixels into B bins of equal count by the values of one image, and return three arrays (B,).

    Args:
        by: decides on the bins, any shape.
        values: of the same shape.

    Returns:
        The means of `by`, rising; the means of `values`; the standard deviations of `values - by`.
    """
    flat, other = by.ravel().astype(np.float64), values.ravel().astype(np.float64)
    num_bins = max(1, min(MAX_BINS, flat.size // MIN_PIXELS_PER_BIN))
    bounds = np.quantile(flat, np.linspace(0, 1, num_bins + 1)[1:-1])
    bins = np.searchsorted(np.unique(bounds), flat, side="right")
    counts = np.bincount(bins)
    used = counts > 0

    def mean(part: np.ndarray) -> np.ndarray:
        return np.bincount(bins, part)[used] / counts[used]

    mean_by, mean_values = mean(flat), mean(other)
    variance = mean(np.square(other - flat)) - np.square(mean_values - mean_by)
    return mean_by, mean_values, np.sqrt(np.maximum(variance, 0))


def _interpolate(image: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return `values` at `image`, interpolated between `positions` and extrapolated beyond them."""
    result = np.interp(image, positions, values)
    for end, inner in ((0, 1), (-1, -2)):
        slope = (values[inner] - values[end]) / (positions[inner] - positions[end])
        is_beyond = image < positions[0] if end == 0 else image > positions[-1]
        result = np.where(is_beyond, values[end] + slope * (image - positions[end]), result)
    return result.astype(np.float32)
