"""Spatially correlated noise: Gaussian noise that a demosaic, a resize or a codec has smeared over its neighbours."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pellucid.noise.options import drawn, number_between, per_sample, range_between


@dataclass(frozen=True)
class Correlated:
    """`noisy = clean + sigma * (k * n) / |k|`, n ~ N(0, 1), k a Gaussian kernel, so that the deviation stays sigma.

    Attributes:
        sigma: standard deviation in [0, 1] units, or (low, high): then each sample's is drawn from U[low, high).
        blur: the kernel's standard deviation in pixels, or (low, high), drawn likewise; at 0 the noise is white.
        shared: the share of the variance that all channels have in common.

    The level is sigma, one a sample.
    """

    sigma: float | tuple[float, float] = 0.1
    blur: float | tuple[float, float] = 1.0
    shared: float = 0.0

    def __post_init__(self) -> None:
        """Refuse levels that cannot be in [0, 1] units, and kernels wider than 8 pixels."""
        sigma = range_between("sigma", self.sigma, 0, 4, "give it in [0, 1] units (25 of 255 is 0.098)")
        blur = range_between("blur", self.blur, 0, 8, "give the kernel's standard deviation in pixels")
        object.__setattr__(self, "sigma", sigma)
        object.__setattr__(self, "blur", blur)
        object.__setattr__(self, "shared", number_between("shared", self.shared, 0, 1, "give a share from 0 to 1"))

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its sigma (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        sigma, blur = drawn(self.sigma, wide, generator), drawn(self.blur, wide, generator)
        reach = math.ceil(3 * (self.blur[1] if isinstance(self.blur, tuple) else self.blur))
        count, channels, height, width = wide.shape
        shape = (count, channels + 1, height + 2 * reach, width + 2 * reach)
        white = torch.randn(shape, generator=generator, dtype=wide.dtype, device=wide.device)
        common, own = white[:, :1], white[:, 1:]
        noise = smeared(own * math.sqrt(1 - self.shared) + common * math.sqrt(self.shared), blur, reach)
        return torch.addcmul(wide, noise, per_sample(sigma)).to(clean.dtype), sigma.to(clean.dtype)


def smeared(white: Tensor, blur: Tensor, reach: int) -> Tensor:
    """Convolve each sample of `white` with its own Gaussian kernel, the kernel's norm being 1.

    Args:
        white: (N, C, H + 2 * reach, W + 2 * reach).
        blur: (N,) the kernels' standard deviations in pixels.
        reach: the kernels' half width in pixels.

    Returns:
        (N, C, H, W).
    """
    if reach == 0:
        return white
    count, channels, height, width = white.shape
    taps = torch.arange(-reach, reach + 1, dtype=white.dtype, device=white.device)
    kernels = torch.exp(-0.5 * (taps / blur.clamp(min=0.05).view(-1, 1)).square())
    kernels = kernels / kernels.norm(dim=1, keepdim=True)
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    planes = white.reshape(1, count * channels, height, width)
    planes = functional.conv2d(planes, weights[:, :, :, None], groups=count * channels)
    planes = functional.conv2d(planes, weights[:, :, None, :], groups=count * channels)
    return planes.reshape(count, channels, height - 2 * reach, width - 2 * reach)
