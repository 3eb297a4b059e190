"""Noise that grows with brightness made the same in dark and in bright, and back without a shift of brightness."""

from dataclasses import dataclass, replace

import numpy as np

BINS, LEAST_PIXELS = 64, 256
GRID = 1024
# Beyond this share of the strongest noise, weaker noise would stretch what is dark too far.
WEAKEST = 0.1
# What differs by less may be fine texture that was taken for noise.
EVEN = 1.4
SMOOTHED = 2
LEAST_LEVEL = 1e-4


@dataclass(frozen=True)
class Stabiliser:
    """A rising curve from brightness to a scale on which noise has one deviation, and its inverse.

    Attributes:
        values: (K,) brightness, white being 1, rising.
        stable: (K,) what they become, rising; 0 stays 0, and 1 becomes `reach`.
        level: the deviation of the noise on that scale.
        back: the inverse's points: on the stable scale, rising, and the brightness there; None for the curve's own.
    """

    values: np.ndarray
    stable: np.ndarray
    level: float
    back: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def straight(cls, level: float) -> "Stabiliser":
        """Return one that leaves brightness as it is."""
        ends = np.array([0.0, 1.0])
        return cls(ends, ends, max(level, LEAST_LEVEL))

    @property
    def is_straight(self) -> bool:
        """Whether nothing is changed but the scale."""
        return len(self.values) == 2

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return an image of any shape on the stable scale, float32; the curve goes on straight at its ends."""
        return _along(image, self.values, self.stable)

    def inverse(self, image: np.ndarray) -> np.ndarray:
        """Return an image on the stable scale as brightness, float32."""
        return _along(image, *(self.back or (self.stable, self.values)))

    def scaled(self, level: float) -> "Stabiliser":
        """Return the same curve stretched so that the noise has a given deviation."""
        return Stabiliser(self.values, self.stable * (level / self.level), level)

    def calibrated(self, denoised: np.ndarray, noisy: np.ndarray) -> "Stabiliser":
        """Return a stabiliser whose inverse gives what noisy pixels are on average, where `denoised` is alike.

        The mean of a curve is not the curve of the mean (Mäkitalo & Foi 2011), and a network that sees too little
        pulls what is rare to what is common; both would shift brightness.

        Args:
            denoised: on the stable scale.
            noisy: brightness at the same pixels.
        """
        places, means, _ = binned(denoised, noisy)
        off = rising(means) - _along(places, self.stable, self.values)
        stable = np.union1d(self.stable, places)
        values = _along(stable, self.stable, self.values) + np.interp(stable, places, off)
        return replace(self, back=(stable, values))


def stabiliser(noisy: np.ndarray, denoised: np.ndarray) -> Stabiliser:
    """Return the stabiliser of the noise that is left between a noisy image and a first guess of the clean one.

    The curve is the integral of 1 / deviation(brightness) (Bartlett 1936), which for photons is Anscombe's root. White
    is kept at 1. Noise that is much the same everywhere gets a straight line.

    Args:
        noisy: brightness, any shape, white being 1.
        denoised: of the same shape.
    """
    places, _, spreads = binned(denoised, noisy)
    for _ in range(SMOOTHED):
        ends = np.concatenate([spreads[:1], spreads, spreads[-1:]])
        spreads = (ends[:-2] + 2 * ends[1:-1] + ends[2:]) / 4
    spreads = np.maximum(spreads, max(WEAKEST * spreads.max(), LEAST_LEVEL))
    if spreads.max() < EVEN * spreads.min():
        level = float(np.sqrt(np.square(noisy - denoised, dtype=np.float64).mean()))
        return Stabiliser.straight(level)
    low, high = min(0.0, float(noisy.min())), max(1.0, float(noisy.max()))
    values = np.union1d(np.linspace(low, high, GRID), [0.0, 1.0])
    slopes = 1 / np.interp(values, places, spreads)
    stable = np.concatenate([[0.0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(values))])
    black, white = np.interp([0.0, 1.0], values, stable)
    return Stabiliser(values, (stable - black) / (white - black), float(1 / (white - black)))


def binned(by: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort pixels into bins of equal number by one image, and return three arrays (B,).

    Args:
        by: decides on the bins, any shape.
        values: of the same shape.

    Returns:
        The means of `by`, rising; the means of `values`; the deviations of `values - by`.
    """
    flat, other = by.ravel().astype(np.float64), values.ravel().astype(np.float64)
    count = max(1, min(BINS, flat.size // LEAST_PIXELS))
    bounds = np.quantile(flat, np.linspace(0, 1, count + 1)[1:-1])
    bin = np.searchsorted(np.unique(bounds), flat, side="right")
    number = np.bincount(bin)
    found = number > 0

    def mean(part: np.ndarray) -> np.ndarray:
        return np.bincount(bin, part)[found] / number[found]

    middle, average = mean(flat), mean(other)
    variance = mean(np.square(other - flat)) - np.square(average - middle)
    return middle, average, np.sqrt(np.maximum(variance, 0))


def rising(values: np.ndarray) -> np.ndarray:
    """Return the values (N,), never falling, that are nearest to those given: their isotonic regression.

    Neighbours out of order are merged into their mean until none is (Ayer et al. 1955), so that the mean is kept.
    """
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, number = value, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, number = (mean * number + other * count) / (number + count), number + count
        blocks.append((mean, number))
    return np.repeat([mean for mean, _ in blocks], [number for _, number in blocks])


def _along(image: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return `values` at `image` between `places`, and on straight lines beyond them."""
    found = np.interp(image, places, values)
    for end, inner in ((0, 1), (-1, -2)):
        slope = (values[inner] - values[end]) / (places[inner] - places[end])
        beyond = image < places[0] if end == 0 else image > places[-1]
        found = np.where(beyond, values[end] + slope * (image - places[end]), found)
    return found.astype(np.float32)
