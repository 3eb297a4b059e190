"""Poisson (shot) noise: each value is a count of photons, `peak` of them at white."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import number_between


@dataclass(frozen=True)
class Poisson:
    """`noisy = k / peak`, k ~ Poisson(peak * max(clean, 0)), independent for every value.

    Mean and variance are clean and clean / peak: half the light is twice as noisy relative to itself.

    Attributes:
        peak: the photons expected at the value 1 (30 is a dim camera, 1000 a bright one).

    The level is the RMS deviation expected for each sample: sqrt(mean(max(clean, 0) / peak + min(clean, 0)²)), whose
    second term counts negative values, which become 0.
    """

    peak: float = 30.0

    def __post_init__(self) -> None:
        """Refuse peaks without photons, and those beyond exact counting in float32."""
        number = number_between("peak", self.peak, 1e-3, 1e6, "give the photons expected at white, such as 30")
        object.__setattr__(self, "peak", number)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        wide = clean.to(torch.promote_types(clean.dtype, torch.float32))
        light = wide.clamp(min=0)
        noisy = torch.poisson(light * self.peak, generator=generator).div_(self.peak)
        variance = light.div_(self.peak).add_(wide.clamp(max=0).square_())
        return noisy.to(clean.dtype), variance.flatten(1).mean(1).sqrt_().to(clean.dtype)
