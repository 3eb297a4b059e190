"""Poisson (shot) noise: each value is a count of photons, `peak` of them for white."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import set_number, widen


@dataclass(frozen=True)
class Poisson:
    """`noisy = k / peak`, k ~ Poisson(peak * max(clean, 0)), independent for every value.

    Mean and variance are clean and clean / peak: relative to itself, half the light is noisier.

    Attributes:
        peak: the photons expected at the value 1 (30 is a dim camera, 1000 a bright one).

    The noise level is the RMS difference expected for each image: sqrt(mean(max(clean, 0) / peak + min(clean, 0)²)),
    whose second term counts negative values, which become 0.
    """

    peak: float = 30.0

    def __post_init__(self) -> None:
        """Refuse peaks without photons, and those beyond exact counting in float32."""
        set_number(self, "peak", 1e-3, 1e6, "give the photons expected at white, such as 30")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its expected RMS difference (N,)."""
        wide = widen(clean)
        light = wide.clamp(min=0)
        noisy = torch.poisson(light * self.peak, generator=generator).div_(self.peak)
        variance = light.div_(self.peak).add_(wide.clamp(max=0).square_())
        return noisy.to(clean.dtype), variance.flatten(1).mean(1).sqrt_().to(clean.dtype)
