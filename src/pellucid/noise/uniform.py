"""Additive uniform noise, one-sided unless low is negative: every value gets an independent U[low, high)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import number_between

REMEDY = "give it in [0, 1] units (230 of 255 is 0.9)"


@dataclass(frozen=True)
class Uniform:
    """`noisy = clean + u`, u ~ U[low, high), independent for every value.

    With low = 0 the noise has the mean high / 2, so it brightens the image; low = -high centres it.

    Attributes:
        low: the least that is added, in [0, 1] units.
        high: the bound of what is added, in [0, 1] units.

    The level is the standard deviation, (high - low) / sqrt(12); the mean (low + high) / 2 is no part of it.

    Example:
        >>> import torch
        >>> noisy, level = Uniform(low=0.0, high=0.9)(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0))
        >>> level
        tensor([0.2598])
    """

    low: float = 0.0
    high: float = 0.9

    def __post_init__(self) -> None:
        """Refuse bounds that are swapped or cannot be in [0, 1] units."""
        low = number_between("low", self.low, -4, 4, REMEDY)
        high = number_between("high", self.high, -4, 4, REMEDY)
        if low > high:
            raise ValueError(f"low={low:g} is above high={high:g}: swap them")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its standard deviation (N,)."""
        noise = torch.empty(clean.shape, dtype=clean.dtype, device=clean.device)
        noise.uniform_(self.low, self.high, generator=generator).add_(clean)
        deviation = (self.high - self.low) / math.sqrt(12)
        return noise, torch.full((len(clean),), deviation, dtype=clean.dtype, device=clean.device)
