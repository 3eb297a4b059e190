"""Salt-and-pepper noise: a random share of the values becomes 0 or 1, evenly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.noise.options import number_between


@dataclass(frozen=True)
class SaltPepper:
    """`noisy` = 0 with probability fraction / 2, 1 with probability fraction / 2, else `clean`; for every value alone.

    Attributes:
        fraction: the probability in [0, 1] that a value is replaced.

    The level is the RMS deviation expected for each sample: sqrt(fraction / 2 * mean(clean² + (1 - clean)²)).
    """

    fraction: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        number = number_between("fraction", self.fraction, 0, 1, "give the share of values to replace (0.1 is a tenth)")
        object.__setattr__(self, "fraction", number)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch, shaped as `clean` (N, C, H, W), and its RMS deviation (N,)."""
        draw = torch.rand(clean.shape, generator=generator, device=clean.device)
        half = self.fraction / 2
        noisy = clean.masked_fill(draw < half, 0).masked_fill_((draw >= half) & (draw < self.fraction), 1)
        energy = (clean.square() + (1 - clean).square()).flatten(1).mean(1)
        return noisy, energy.mul_(half).sqrt_()
