"""Speckle: Gaussian noise that scales with the brightness of each value."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import number_between


@dataclass(frozen=True)
class Speckle:
    """`noisy = clean + clean * sigma * n`, n ~ N(0, 1), independent for every value.

    Attributes:
        sigma: standard deviation of the noise relative to the value (0.1 is a tenth of it).

    The level is the RMS deviation expected for each sample: sigma * sqrt(mean(clean²)).
    """

    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no share of the value."""
        number = number_between("sigma", self.sigma, 0, 4, "give it relative to the value (0.1 is a tenth of it)")
        object.__setattr__(self, "sigma", number)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
        level = clean.square().flatten(1).mean(1).sqrt_().mul_(self.sigma)
        return torch.addcmul(clean, clean, noise, value=self.sigma, out=noise), level
