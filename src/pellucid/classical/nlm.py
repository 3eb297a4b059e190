"""Non-local means: the mean of pixels with similar patches around them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Baseline, Bounds, as_batch, each_image
from pellucid.utils.optional_imports import import_optional


@dataclass(frozen=True)
class NLM(Baseline):
    """Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005, by scikit-image's fast mode.

    Attributes:
        strength: the filtering parameter h, in units of the image; 0 changes nothing.
        patch_radius: the half-width of the patches that are compared, in pixels.
        search_radius: the largest distance between compared patches, in pixels.
    """

    strength: float = 0.2
    patch_radius: int = 2
    search_radius: int = 6

    grid: ClassVar[dict[str, tuple]] = {
        "strength": (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        "patch_radius": (1, 2, 3),
    }
    bounds: ClassVar[dict[str, Bounds]] = {"strength": (0.0, None), "patch_radius": (0, None)}

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.search_radius < 1:
            raise ValueError(f"search_radius is {self.search_radius}: give 1 pixel or more")

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W); the channels are compared together."""
        batch = as_batch(noisy)
        if not self.strength:
            return batch.copy()
        restoration = import_optional("skimage.restoration", "compare", "the baseline nlm")
        return each_image(
            batch,
            lambda image: restoration.denoise_nl_means(
                image,
                patch_size=2 * self.patch_radius + 1,
                patch_distance=self.search_radius,
                h=self.strength,
                fast_mode=True,
                channel_axis=-1,
            ),
        )
