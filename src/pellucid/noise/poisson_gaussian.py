"""Poisson-Gaussian noise: counted photons, read out by electronics with noise of their own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import IN_UNIT_RANGE, per_sample, sample_uniform, set_range, widen


@dataclass(frozen=True)
class PoissonGaussian:
    """`noisy = k / peak + sigma * n`, k ~ Poisson(peak * max(clean, 0)), n ~ N(0, 1) (Foi et al. 2008, eq. 1).

    Attributes:
        peak: the photons expected at the value 1, or (low, high), sampled log-uniformly for each image.
        sigma: standard deviation of the read noise in [0, 1] units, or (low, high), sampled uniformly.

    The noise level is the RMS difference expected for each image: sqrt(mean(max(clean, 0)) / peak + sigma²), and what
    negative values, which become 0, add to it.
    """

    peak: float | tuple[float, float] = 100.0
    sigma: float | tuple[float, float] = 0.02

    def __post_init__(self) -> None:
        """Refuse peaks without photons and a sigma that cannot be in [0, 1] units."""
        set_range(self, "peak", 1e-3, 1e6, "give the photons expected at white, such as 100")
        set_range(self, "sigma", 0, 4, IN_UNIT_RANGE)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its expected RMS difference (N,)."""
        wide = widen(clean)
        peak, sigma = sample_uniform(self.peak, wide, generator, log=True), sample_uniform(self.sigma, wide, generator)
        light = wide.clamp(min=0)
        noisy = torch.poisson(light * per_sample(peak), generator=generator).div_(per_sample(peak))
        read = torch.randn(wide.shape, generator=generator, dtype=wide.dtype, device=wide.device)
        noisy.addcmul_(read, per_sample(sigma))
        lost = wide.clamp(max=0).square().flatten(1).mean(1)
        variance = light.flatten(1).mean(1) / peak + sigma.square() + lost
        return noisy.to(clean.dtype), variance.sqrt().to(clean.dtype)
