"""Speckle: Gaussian noise in proportion to the brightness of each value."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import set_number


@dataclass(frozen=True)
class Speckle:
    """`noisy = clean + clean * sigma * n`, n ~ N(0, 1), independent for every value.

    Attributes:
        sigma: standard deviation of the noise relative to the value (0.1 is a tenth of it).

    The noise level is the RMS difference expected for each image: sigma * sqrt(mean(clean²)).
    """

    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a sigma that cannot be relative to the value."""
        set_number(self, "sigma", 0, 4, "give it relative to the value (0.1 is a tenth of it)")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its expected RMS difference (N,)."""
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
        sigma = clean.square().flatten(1).mean(1).sqrt_().mul_(self.sigma)
        return torch.addcmul(clean, clean, noise, value=self.sigma, out=noise), sigma
