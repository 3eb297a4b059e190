"""The base of the baselines: the grid of options for tuning, and their bounds."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from pellucid.errors import UsageError

Bounds = tuple[float | None, float | None]


class Baseline:
    """The base class of the baselines; a subclass is a frozen dataclass of options, each with a default.

    Attributes:
        needs_training: whether `fit` trains on pairs; if not, it returns the baseline itself.
        grid: the values to try for each option, ascending; values that are no numbers are in any order.
        bounds: the natural (minimum, maximum) of an option, or None if there is none. An optimum at a natural bound is
            a result; at any other end of the grid it only shows that the grid was too short.
    """

    needs_training: ClassVar[bool] = False
    grid: ClassVar[Mapping[str, tuple]] = {}
    bounds: ClassVar[Mapping[str, Bounds]] = {}

    def __post_init__(self) -> None:
        """Check the options against their natural minimum."""
        for option, (minimum, _) in self.bounds.items():
            value = getattr(self, option)
            if minimum is not None and not value >= minimum:
                raise ValueError(f"{option} is {value}: give {minimum:g} or more")

    @classmethod
    def extend_grid(cls, option: str, values: tuple, upward: bool) -> Any:
        """Return the value that extends a grid past one end, or None if it cannot be extended.

        Integers are extended by the last difference, other numbers by the last ratio, up to the natural bound.
        """
        if len(values) < 2 or isinstance(values[0], str):
            return None
        edge, inner = (values[-1], values[-2]) if upward else (values[0], values[1])
        limit = cls.bounds.get(option, (None, None))[upward]
        if edge == limit:
            return None
        step = edge + (edge - inner) if isinstance(edge, int) else round_significant(edge * (edge / inner))
        if limit is not None:
            step = min(step, limit) if upward else max(step, limit)
        return step

    def fit(self, noisy: np.ndarray, clean: np.ndarray) -> "Baseline":
        """Return the baseline fitted to pairs (N, C, H, W), or itself if it needs no training."""
        return self

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W)."""
        raise NotImplementedError


def round_significant(value: float) -> float:
    """Return the value rounded to six significant digits, as in grids and tables."""
    return float(f"{value:.6g}")


def as_batch(noisy: np.ndarray) -> np.ndarray:
    """Return the images as float32, or raise UsageError unless they are (N, C, H, W)."""
    if noisy.ndim != 4:
        raise UsageError(f"a baseline takes images of shape (N, C, H, W), got {noisy.shape}: add the missing axes")
    return noisy.astype(np.float32, copy=False)


def each_image(noisy: np.ndarray, denoise: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `denoise`, which takes and returns (H, W, C), to every image of a float32 batch (N, C, H, W)."""
    denoised = np.empty_like(noisy)
    for index, image in enumerate(noisy):
        result = denoise(np.ascontiguousarray(image.transpose(1, 2, 0)))
        denoised[index] = result.reshape(*image.shape[1:], len(image)).transpose(2, 0, 1)
    return denoised


def affine_correction(denoised: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """Return the (gain, offset) that minimize the squared error of gain * denoised + offset over all values.

    Constant denoised images get the gain 0 and the mean of the clean ones.
    """
    mean_x, mean_y = denoised.mean(dtype=np.float64), clean.mean(dtype=np.float64)
    x = denoised.astype(np.float64) - mean_x
    variance = np.square(x).mean()
    gain = (x * (clean - mean_y)).mean() / variance if variance > 0 else 0.0
    return float(gain), float(mean_y - gain * mean_x)
