"""Masking noise: a random fraction of the values is set to 0."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import set_number


@dataclass(frozen=True)
class Masking:
    """`noisy = clean * m`, m = 0 with probability `fraction`, else 1, independent for every value.

    The corruption of the first denoising autoencoders: P. Vincent et al., Extracting and Composing Robust Features
    with Denoising Autoencoders, ICML 2008, section 2.3 (there the number of zeros is fixed, here its mean is).

    Attributes:
        fraction: the probability in [0, 1] that a value is set to 0.

    The noise level is the RMS difference expected for each image: sqrt(fraction * mean(clean²)).
    """

    fraction: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a number that is no probability."""
        set_number(self, "fraction", 0, 1, "give the fraction of values to mask (0.5 is half)")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its expected RMS difference (N,)."""
        masked = torch.rand(clean.shape, generator=generator, device=clean.device) < self.fraction
        energy = clean.square().flatten(1).mean(1)
        return clean.masked_fill(masked, 0), energy.mul_(self.fraction).sqrt_()
