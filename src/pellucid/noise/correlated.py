"""Spatially correlated noise: Gaussian noise after a demosaic, a resize or a codec, in which pixels affect others."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import IN_UNIT_RANGE, per_sample, sample_uniform, set_number, set_range, widen
from pellucid.noise.random_fields import convolve_gaussian


@dataclass(frozen=True)
class Correlated:
    """`noisy = clean + sigma * (k * n) / |k|`, n ~ N(0, 1), k a Gaussian kernel; the standard deviation is sigma.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each image's is sampled from U[low, high).
        blur: the standard deviation of the kernel in pixels, or (low, high), sampled likewise; 0 makes white noise.
        shared: the fraction of the variance that all channels have in common.

    The noise level is sigma.
    """

    sigma: float | tuple[float, float] = 0.1
    blur: float | tuple[float, float] = 1.0
    shared: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a sigma that cannot be in [0, 1] units, and kernels wider than 8 pixels."""
        set_range(self, "sigma", 0, 4, IN_UNIT_RANGE)
        set_range(self, "blur", 0, 8, "give the standard deviation of the kernel in pixels")
        set_number(self, "shared", 0, 1, "give a fraction from 0 to 1")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its sigma (N,)."""
        wide = widen(clean)
        sigma, blur = sample_uniform(self.sigma, wide, generator), sample_uniform(self.blur, wide, generator)
        radius = math.ceil(3 * (self.blur[1] if isinstance(self.blur, tuple) else self.blur))
        count, channels, height, width = wide.shape
        shape = (count, channels + 1, height + 2 * radius, width + 2 * radius)
        white = torch.randn(shape, generator=generator, dtype=wide.dtype, device=wide.device)
        common, own = white[:, :1], white[:, 1:]
        mixed = own * math.sqrt(1 - self.shared) + common * math.sqrt(self.shared)
        noise = convolve_gaussian(mixed, blur, radius, keep="std")
        return torch.addcmul(wide, noise, per_sample(sigma)).to(clean.dtype), sigma.to(clean.dtype)
