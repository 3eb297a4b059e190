"""Poisson-Gaussian noise: photons counted, then read out by electronics with noise of their own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import drawn, per_sample, range_between


@dataclass(frozen=True)
class PoissonGaussian:
    """`noisy = k / peak + sigma * n`, k ~ Poisson(peak * max(clean, 0)), n ~ N(0, 1) (Foi et al. 2008, eq. 1).

    Attributes:
        peak: the photons expected at the value 1, or (low, high): then each sample's logarithm is drawn uniformly.
        sigma: standard deviation of the read noise in [0, 1] units, or (low, high), drawn uniformly.

    The level is the RMS deviation expected for each sample: sqrt(mean(max(clean, 0)) / peak + sigma²), with what
    negative values, which become 0, add to it.
    """

    peak: float | tuple[float, float] = 100.0
    sigma: float | tuple[float, float] = 0.02

    def __post_init__(self) -> None:
        """Refuse peaks without photons and levels that cannot be in [0, 1] units."""
        peak = range_between("peak", self.peak, 1e-3, 1e6, "give the photons expected at white, such as 100")
        sigma = range_between("sigma", self.sigma, 0, 4, "give it in [0, 1] units (25 of 255 is 0.098)")
        object.__setattr__(self, "peak", peak)
        object.__setattr__(self, "sigma", sigma)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        peak, sigma = drawn(self.peak, wide, generator, log=True), drawn(self.sigma, wide, generator)
        light = wide.clamp(min=0)
        noisy = torch.poisson(light * per_sample(peak), generator=generator).div_(per_sample(peak))
        read = torch.randn(wide.shape, generator=generator, dtype=wide.dtype, device=wide.device)
        noisy.addcmul_(read, per_sample(sigma))
        lost = wide.clamp(max=0).square().flatten(1).mean(1)
        variance = light.flatten(1).mean(1) / peak + sigma.square() + lost
        return noisy.to(clean.dtype), variance.sqrt().to(clean.dtype)
