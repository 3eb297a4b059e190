"""Wavelet shrinkage: reduce small coefficients."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.classical.base import Baseline, Bounds, as_batch, each_image
from pellucid.errors import UsageError
from pellucid.utils.optional_imports import import_optional


@dataclass(frozen=True)
class Wavelet(Baseline):
    """BayesShrink (Chang, Yu, Vetterli, IEEE TIP 9(9), 2000), soft thresholds, by scikit-image.

    Attributes:
        strength: the standard deviation of the noise to remove, in units of the image; 0 changes nothing.
        wavelet: a name that PyWavelets knows.
        levels: the depth of the transform, limited by the size of the image.
    """

    strength: float = 0.2
    wavelet: str = "db1"
    levels: int = 3

    grid: ClassVar[dict[str, tuple]] = {
        "strength": (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        "wavelet": ("db1", "db2", "sym4"),
        "levels": (1, 2, 3),
    }
    bounds: ClassVar[dict[str, Bounds]] = {"strength": (0.0, None), "levels": (1, None)}

    def __call__(self, noisy: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Return the denoised images, float32 (N, C, H, W), channel by channel.

        Raises:
            UsageError: for an unknown wavelet.
        """
        batch = as_batch(noisy)
        transforms = import_optional("pywt", "compare", "the baseline wavelet")
        restoration = import_optional("skimage.restoration", "compare", "the baseline wavelet")
        try:
            length = transforms.Wavelet(self.wavelet).dec_len
        except ValueError as error:
            raise UsageError(f'wavelet is "{self.wavelet}": give a name that PyWavelets knows, such as sym4') from error
        levels = min(self.levels, transforms.dwt_max_level(min(batch.shape[2:]), length))
        if not (self.strength and levels):
            return batch.copy()
        return each_image(
            batch,
            lambda image: restoration.denoise_wavelet(
                image, sigma=self.strength, wavelet=self.wavelet, wavelet_levels=levels, channel_axis=-1
            ),
        )
