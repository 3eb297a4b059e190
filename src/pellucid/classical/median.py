"""Median filter over a square window."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Baseline, Bounds, as_batch
from pellucid.utils.optional_imports import import_optional


@dataclass(frozen=True)
class Median(Baseline):
    """The median filter (Tukey 1977), channel by channel, edges mirrored.

    Attributes:
        radius: the half-width of the window in pixels; its side is 2 * radius + 1, and 0 changes nothing.
    """

    radius: int = 1

    grid: ClassVar[dict[str, tuple]] = {"radius": (0, 1, 2, 3)}
    bounds: ClassVar[dict[str, Bounds]] = {"radius": (0, None)}

    def __post_init__(self) -> None:
        """Check the options."""
        if not isinstance(self.radius, int):
            raise ValueError(f"radius is {self.radius}: give an integer of 0 or more, in pixels")
        super().__post_init__()

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W)."""
        side = 2 * self.radius + 1
        filters = import_optional("scipy.ndimage", "compare", "the baseline median")
        return filters.median_filter(as_batch(noisy), size=(1, 1, side, side))
