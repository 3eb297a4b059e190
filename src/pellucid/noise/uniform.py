"""Additive uniform noise, one-sided unless low is negative: every value gets an independent U[low, high)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import set_number


@dataclass(frozen=True)
class Uniform:
    """`noisy = clean + u`, u ~ U[low, high), independent for every value.

    With low = 0 the noise has the mean high / 2, so it brightens the image; with low = -high it has the mean 0.

    Attributes:
        low: the lower bound of the noise, in [0, 1] units.
        high: the upper bound of the noise, in [0, 1] units.

    The noise level is the standard deviation, (high - low) / sqrt(12), without the mean (low + high) / 2.

    Example:
        >>> import torch
        >>> noisy, sigma = Uniform(low=0.0, high=0.9)(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0))
        >>> sigma
        tensor([0.2598])
    """

    low: float = 0.0
    high: float = 0.9

    def __post_init__(self) -> None:
        """Refuse bounds that are swapped or cannot be in [0, 1] units."""
        for name in ("low", "high"):
            set_number(self, name, -4, 4, "give it in [0, 1] units (230 of 255 is 0.9)")
        if self.low > self.high:
            raise ValueError(f"low={self.low:g} is above high={self.high:g}: swap them")

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its standard deviation (N,)."""
        noise = torch.empty(clean.shape, dtype=clean.dtype, device=clean.device)
        noise.uniform_(self.low, self.high, generator=generator).add_(clean)
        std = (self.high - self.low) / math.sqrt(12)
        return noise, torch.full((len(clean),), std, dtype=clean.dtype, device=clean.device)
