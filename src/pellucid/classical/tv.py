"""Total variation denoising."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Baseline, Bounds, as_batch, each_image
from pellucid.utils.optional_imports import import_optional


@dataclass(frozen=True)
class TV(Baseline):
    """The model of Rudin, Osher and Fatemi (Physica D 60, 1992), solved by Chambolle's method (2004, scikit-image).

    Attributes:
        weight: the weight of the total variation against fidelity; 0 changes nothing.
    """

    weight: float = 0.2

    grid: ClassVar[dict[str, tuple]] = {"weight": (0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)}
    bounds: ClassVar[dict[str, Bounds]] = {"weight": (0.0, None)}

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W), channel by channel."""
        batch = as_batch(noisy)
        if not self.weight:
            return batch.copy()
        restoration = import_optional("skimage.restoration", "compare", "the baseline tv")
        return each_image(
            batch, lambda image: restoration.denoise_tv_chambolle(image, weight=self.weight, channel_axis=-1)
        )
