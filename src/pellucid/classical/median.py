"""Median of each pixel's square neighbourhood."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Bounds, Rival, as_batch
from pellucid.utils.optional_imports import need


@dataclass(frozen=True)
class Median(Rival):
    """The median filter (Tukey 1977), channel by channel, edges mirrored.

    Attributes:
        radius: the square's half-width in pixels; its side is 2 * radius + 1, and 0 changes nothing.
    """

    radius: int = 1

    bounds: ClassVar[dict[str, Bounds]] = {"radius": (0, None)}

    def __post_init__(self) -> None:
        """Check the options."""
        if not isinstance(self.radius, int) or self.radius < 0:
            raise ValueError(f"radius is {self.radius}: give a whole number of pixels, 0 or more")

    @classmethod
    def grid(cls) -> dict[str, tuple]:
        """Return the radii to try."""
        return {"radius": (0, 1, 2, 3)}

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W)."""
        side = 2 * self.radius + 1
        filters = need("scipy.ndimage", "compare", "the rival median")
        return filters.median_filter(as_batch(noisy), size=(1, 1, side, side))
