"""What rivals share: their grid for tuning, its natural bounds, and the walk over images."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from pellucid.errors import UsageError

Bounds = tuple[float | None, float | None]


class Rival:
    """The base of every rival; a subclass is a frozen dataclass of options, each with a default.

    Attributes:
        learns: whether `fit` learns from pairs; else it returns the rival itself.
        bounds: the natural (lowest, highest) value of an option, or None where there is none. An optimum at a natural
            bound is a result; at any other end of the grid it only shows that the grid was too short.
    """

    learns: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bounds]] = {}

    @classmethod
    def grid(cls) -> dict[str, tuple]:
        """Return the values to try of each option, ascending; choices that are no numbers stand in any order."""
        return {}

    @classmethod
    def beyond(cls, option: str, values: tuple, upward: bool) -> Any:
        """Return the value that continues a grid past one end, or None where it cannot go on.

        Whole numbers continue by the last difference, other numbers by the last ratio, up to the natural bound.
        """
        if len(values) < 2 or isinstance(values[0], str):
            return None
        edge, inner = (values[-1], values[-2]) if upward else (values[0], values[1])
        limit = cls.bounds.get(option, (None, None))[upward]
        if edge == limit:
            return None
        step = edge + (edge - inner) if isinstance(edge, int) else rounded(edge * (edge / inner))
        if limit is not None:
            step = min(step, limit) if upward else max(step, limit)
        return step

    def fit(self, noisy: np.ndarray, clean: np.ndarray) -> "Rival":
        """Return the rival fitted to pairs (N, C, H, W); itself if there is nothing to learn."""
        return self

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W)."""
        raise NotImplementedError

    def _refuse_negative(self, *options: str) -> None:
        for option in options:
            if not getattr(self, option) >= 0:
                raise ValueError(f"{option} is {getattr(self, option)}: give 0 (leave the image as it is) or more")


def rounded(value: float) -> float:
    """Return the value to six significant digits, as grids and tables print it."""
    return float(f"{value:.6g}")


def as_batch(noisy: np.ndarray) -> np.ndarray:
    """Return the images as float32, or raise UsageError unless they are (N, C, H, W)."""
    if noisy.ndim != 4:
        raise UsageError(f"a rival takes images of shape (N, C, H, W), got {noisy.shape}: add the missing axes")
    return noisy.astype(np.float32, copy=False)


def each_image(noisy: np.ndarray, denoise: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `denoise`, which takes and returns (H, W, C), to every image of a float32 batch (N, C, H, W)."""
    denoised = np.empty_like(noisy)
    for index, image in enumerate(noisy):
        result = denoise(np.ascontiguousarray(image.transpose(1, 2, 0)))
        denoised[index] = result.reshape(*image.shape[1:], len(image)).transpose(2, 0, 1)
    return denoised
