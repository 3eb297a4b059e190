"""Mean squared error, in squared units of the data range."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import positive_range, squared_error


@dataclass(frozen=True)
class MSE:
    """The mean of ((image - reference) / data_range)² over all values of an image."""

    kind: ClassVar[str] = "image"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 0.0

    def __call__(self, image: np.ndarray, reference: np.ndarray, data_range: float = 1.0) -> np.ndarray:
        """Return one value per image, (N,) float64, for floats of shape (N, C, H, W)."""
        return squared_error(image, reference) / positive_range(data_range) ** 2
